-- migrate:up
-- A confidential case, with whatever hangs on it, is there for its assignee and for heads, whatever a statement forgets. A session says
-- for its transaction who the officer is (`motma.account`), that they may read what is confidential (`motma.confidential`, 'on'), and
-- which case they were found to have a right to (`motma.case`), so that they may give it away. The parts of a case follow it by their
-- own policies.
create policy confidential on feedback_case as restrictive for select to motma_app using (
    not confidential
    or assignee = (select nullif(current_setting('motma.account', true), '')::bigint)
    or (select current_setting('motma.confidential', true)) = 'on'
    or id = (select nullif(current_setting('motma.case', true), '')::bigint));
-- A change that reads nothing is asked too; what it makes of the case is asked by the policy above where it is read again.
create policy confidential_changed on feedback_case as restrictive for update to motma_app using (
    not confidential
    or assignee = (select nullif(current_setting('motma.account', true), '')::bigint)
    or (select current_setting('motma.confidential', true)) = 'on'
    or id = (select nullif(current_setting('motma.case', true), '')::bigint))
    with check (true);
-- What its sender or the controlling body thought of a case says something of the case.
create policy confidential on case_rating as restrictive for select to motma_app using (
    exists (select from feedback_case c where c.id = case_id));
create policy confidential on control_rating as restrictive for select to motma_app using (
    exists (select from feedback_case c where c.id = case_id));

-- migrate:down
