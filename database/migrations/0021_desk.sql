-- migrate:up
-- What officers' lists of cases need: each tab of the work list is one range of one index of each office.
create index feedback_case_unassigned on feedback_case (holder_agency, answer_due_on, id) where is_open and assignee is null;
create index feedback_case_state on feedback_case (holder_agency, state, answer_due_on, id);
create index feedback_case_ended on feedback_case (holder_agency, id desc) where not is_open;
create index feedback_case_filed on feedback_case (holder_agency, filed_at);
create index feedback_case_answered on feedback_case (holder_agency, answered_at) where answered_at is not null;
-- What was told of a case: to whom, in the commit of the move.
create index message_feedback on message (contact_digest, id) where kind = 'feedback';

-- The same as before; the holder is asked first, whose office is found in a hash table: an office with thousands below it
-- otherwise compares every case with each of them.
drop policy seen on feedback_case;
create policy seen on feedback_case for select to motma_app using (
    holder_agency in (select r.agency_id from agency_reach r where r.scope_id = nullif(current_setting('motma.scope', true), '')::int)
    or parties && array(select r.agency_id from agency_reach r where r.scope_id = nullif(current_setting('motma.scope', true), '')::int));

-- What the offices above have ready, those below may use.
create policy shared on reply_template for select to motma_app using (exists (
    select from agency_reach w where w.scope_id = reply_template.agency_id
       and w.agency_id = nullif(current_setting('motma.scope', true), '')::int));

-- migrate:down
