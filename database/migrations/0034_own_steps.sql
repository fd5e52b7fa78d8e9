-- migrate:up
-- Several people may share a case: what one of them says there is for that one and the office, not for the others.
-- `feedback_id` is whose words a step is; null: meant for all who share the case.
alter table feedback_step add column feedback_id bigint references feedback;

-- The tables' owner may be no superuser, and policies bind it too.
create policy owner on feedback_step to current_user using (true);
create policy owner on feedback to current_user using (true);
update feedback_step s set feedback_id = f.id
  from feedback f
 where s.by = 'sender' and f.case_id = s.case_id
   and not exists (select from feedback o where o.case_id = s.case_id and o.id <> f.id);
-- Whose they were was not kept: shown to none of them rather than to all.
update feedback_step s set said = false where s.by = 'sender' and s.feedback_id is null;
drop policy owner on feedback_step;
drop policy owner on feedback;

-- Since when somebody shares a case, and the one before: what was asked and answered there then is not for them.
alter table feedback add column case_since timestamptz, add column case_before bigint references feedback_case;
grant update (case_since, case_before) on feedback to motma_app;

-- migrate:down
