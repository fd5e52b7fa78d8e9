-- migrate:up
-- From what was filed to what is handled: cases, their way, their answers. One case may gather what several people filed; each keeps
-- a number of their own in `feedback`.

-- How long an agency and all below it (null: everybody) may take, in working days: to pass on what is not its own (NĐ 20/2008 Đ12),
-- to answer, and how long the sender may object to an answer.
create table feedback_term (
    agency_id int unique nulls not distinct references agency,
    forward_days smallint not null check (forward_days between 1 and 250),
    answer_days smallint not null check (answer_days between 1 and 250),
    objection_days smallint not null check (objection_days between 1 and 250),
    changed_at timestamptz not null default now()
);
insert into feedback_term (agency_id, forward_days, answer_days, objection_days) values (null, 5, 15, 10);

-- `holder_due_on` is the holder's own clock, which a forward begins anew; `answer_due_on` the sender's, which runs on. `resumes`: where
-- the case stood before it waited for the sender. `parties`: every office that held the case; they go on seeing it. `escalated` counts who was warned: 1 the assignee, 2 the head, 3 the office above.
create table feedback_case (
    id bigint generated always as identity primary key,
    version int not null default 1,
    state text not null default 'received' check (state in (
        'received', 'needs_info', 'refused', 'classified', 'forwarded', 'assigned', 'in_progress', 'awaiting_approval', 'answered',
        'published', 'closed', 'reopened', 'withdrawn')),
    resumes text,
    content text,
    dossier_id bigint,
    holder_agency int not null references agency,
    parties int[] not null check (holder_agency = any (parties)),
    assignee bigint references account,
    confidential boolean not null default false,
    filed_at timestamptz not null default now(),
    held_since timestamptz not null default now(),
    holder_due_on date not null,
    answer_due_on date not null,
    answered_at timestamptz,
    object_until date,
    reopened smallint not null default 0,
    escalated smallint not null default 0,
    merged_into bigint references feedback_case,
    is_open boolean not null generated always as (state in (
        'received', 'needs_info', 'classified', 'forwarded', 'assigned', 'in_progress', 'awaiting_approval', 'reopened')) stored
);
create index feedback_case_desk on feedback_case (holder_agency, answer_due_on, id) where is_open;
create index feedback_case_mine on feedback_case (assignee, answer_due_on, id) where is_open and assignee is not null;
create index feedback_case_newest on feedback_case (holder_agency, id);
create index feedback_case_due on feedback_case (holder_due_on) where is_open;
create index feedback_case_objection on feedback_case (object_until) where state in ('answered', 'published');
create index feedback_case_parties on feedback_case using gin (parties);
create index feedback_case_dossier on feedback_case (dossier_id) where dossier_id is not null;

-- `number` is what a person is told. What the law asks for besides the text: name and address (NĐ 20/2008 Đ9). `received_on` is the day
-- of a letter, which is typed in later. `read_back_at`: the sender said that what was typed is what they meant.
alter table feedback
    add column case_id bigint references feedback_case,
    add column name_sealed bytea,
    add column postal_address_sealed bytea,
    add column phone_digest bytea,
    add column tail_digest bytea,
    add column may_publish text not null default 'no' check (may_publish in ('no', 'anonymous', 'named')),
    add column may_publish_since timestamptz,
    add column received_on date not null default (now() at time zone 'Asia/Ho_Chi_Minh')::date,
    add column typed_by bigint references account,
    add column read_back_at timestamptz,
    alter column contact_digest drop not null,
    alter column address_sealed drop not null;

with opened as (
    insert into feedback_case (dossier_id, holder_agency, parties, filed_at, held_since, holder_due_on, answer_due_on)
    select f.dossier_id, f.holder, array[f.holder], f.filed_at, f.filed_at, (f.filed_at + interval '7 days')::date,
           (f.filed_at + interval '21 days')::date
      from (select f.*, coalesce(f.agency_id, (select a.id from agency a where a.parent_id is null order by a.id limit 1)) as holder
              from feedback f) f
     order by f.id
    returning id, filed_at, dossier_id)
update feedback f set case_id = o.id
  from (select id, row_number() over (order by id) as n from opened) o, (select id, row_number() over (order by id) as n from feedback) g
 where o.n = g.n and f.id = g.id;
alter table feedback alter column case_id set not null;
create index feedback_of_case on feedback (case_id, id);
create index feedback_phone on feedback (phone_digest) where phone_digest is not null;

-- Every move: who, why, when. `said` is what the sender may read of it too; `why_sealed` otherwise stays with officers.
create table feedback_step (
    id bigint generated always as identity primary key,
    case_id bigint not null references feedback_case,
    at timestamptz not null default now(),
    move text not null,
    state text not null,
    by text not null,
    account_id bigint references account,
    from_agency int,
    to_agency int,
    reason text,
    why_sealed bytea,
    said boolean not null default false
);
create index feedback_step_case on feedback_step (case_id, id);

-- Answers as they were written; at most one of a case waits for approval, and nobody approves what they wrote.
create table feedback_answer (
    id bigint generated always as identity primary key,
    case_id bigint not null references feedback_case,
    text_sealed bytea not null,
    written_by bigint not null references account,
    written_at timestamptz not null default now(),
    approved_by bigint references account,
    approved_at timestamptz,
    sent_back_at timestamptz,
    check (approved_by is null or approved_by <> written_by)
);
create index feedback_answer_case on feedback_answer (case_id, id);
create unique index feedback_answer_waiting on feedback_answer (case_id) where approved_at is null and sent_back_at is null;

-- What officers write for each other.
create table feedback_note (
    id bigint generated always as identity primary key,
    case_id bigint not null references feedback_case,
    account_id bigint not null references account,
    at timestamptz not null default now(),
    text_sealed bytea not null
);
create index feedback_note_case on feedback_note (case_id, id);

-- Files that came with feedback, sealed; `step_id` where they came later.
create table feedback_attachment (
    id bigint generated always as identity primary key,
    feedback_id bigint not null references feedback,
    case_id bigint not null references feedback_case,
    at timestamptz not null default now(),
    name_sealed bytea not null,
    content_type text not null,
    size int not null check (size between 1 and 10485760),
    digest bytea not null,
    content_sealed bytea not null
);
create index feedback_attachment_case on feedback_attachment (case_id, id);

-- Ready answers of an office and all below it.
create table reply_template (
    id bigint generated always as identity primary key,
    agency_id int not null references agency,
    name text not null check (length(name) between 1 and 120),
    text text not null check (length(text) between 1 and 10000),
    version int not null default 1,
    changed_at timestamptz not null default now(),
    unique (agency_id, name)
);

drop policy tenant on feedback;
do $$
declare
    name text;
begin
    foreach name in array array['feedback_case', 'feedback_step', 'feedback_answer', 'feedback_note',
                                'feedback_attachment', 'reply_template', 'feedback_term'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy work on %I to motma_worker using (true)', name);
        execute format('create policy operator on %I to motma_operator using (true)', name);
        execute format('grant select, insert, update on %I to motma_worker', name);
        execute format('grant select on %I to motma_app, motma_operator', name);
    end loop;
    foreach name in array array['feedback', 'feedback_step', 'feedback_answer', 'feedback_note', 'feedback_attachment'] loop
        execute format('create policy tenant on %I to motma_app using (exists (select from feedback_case c where c.id = case_id))', name);
        execute format('grant insert on %I to motma_app', name);
    end loop;
end $$;
-- Who held a case sees it; who holds it moves it, to wherever it belongs.
create policy seen on feedback_case for select to motma_app using (
    parties && array(select r.agency_id from agency_reach r where r.scope_id = nullif(current_setting('motma.scope', true), '')::int));
create policy opened on feedback_case for insert to motma_app with check (
    holder_agency in (select r.agency_id from agency_reach r where r.scope_id = nullif(current_setting('motma.scope', true), '')::int));
create policy moved on feedback_case for update to motma_app using (
    holder_agency in (select r.agency_id from agency_reach r where r.scope_id = nullif(current_setting('motma.scope', true), '')::int))
    with check (true);
create policy tenant on reply_template to motma_app using (
    agency_id in (select r.agency_id from agency_reach r where r.scope_id = nullif(current_setting('motma.scope', true), '')::int));
create policy known on feedback_term for select to motma_app using (true);
create policy officer on feedback_term to motma_console using (
    agency_id in (select r.agency_id from agency_reach r where r.scope_id = nullif(current_setting('motma.scope', true), '')::int));

grant insert, update on feedback_case to motma_app;
grant update (case_id, read_back_at, may_publish, may_publish_since) on feedback to motma_app;
grant update on feedback to motma_worker;
grant update (approved_by, approved_at, sent_back_at) on feedback_answer to motma_app;
grant update (case_id) on feedback_attachment to motma_app;
grant insert, update, delete on reply_template to motma_console;
grant insert, update, delete on feedback_term to motma_console, motma_operator;
grant delete on feedback_attachment to motma_worker;

-- migrate:down
