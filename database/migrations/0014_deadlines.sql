-- migrate:up
-- Deadlines watched: what falls due is walked along the history; apologies with a new date.

-- Due dates and requests for papers as they were stated, in order of time. The history is written once, so these cost nothing when
-- a dossier moves on; on the dossier itself an index of due dates would make every change of status write a new row version's
-- keys (docs/decisions/0014 has the figures).
create index dossier_event_due on dossier_event (due_at, dossier_id) where due_at is not null and not test;
create index dossier_event_asked on dossier_event (at, dossier_id) where status = 5 and not test;

-- How far the walk of each kind of notice has come. Whoever locks the row is the leader of one batch.
create table deadline_walk (
    event text primary key,
    reached timestamptz not null,
    dossier_id bigint not null default 0,
    rest_until timestamptz not null default '-infinity'
);

-- An apology puts a due date off: what says the one means the other from then on. The history keeps it in an entry of ours, which
-- says nothing of its own about the status.
alter table dossier add column put_off_from timestamptz;
alter table dossier add column put_off_to timestamptz;
alter table dossier_event add column put_off_from timestamptz;

-- Whether an agency and all below it apologise: never, by an officer's word, or by themselves; and by how many working days they
-- put off. The nearest agency's counts.
create table apology_policy (
    agency_id int primary key references agency,
    policy text not null check (policy in ('none', 'officer', 'automatic')),
    days int not null check (days between 1 and 60),
    changed_at timestamptz not null default now()
);

-- One draft per dossier and date. `office` is the one that resolves; the owner and the office see it, and either may decide.
create table apology (
    id bigint generated always as identity primary key,
    dossier_id bigint not null,
    owner_agency int not null,
    office int not null,
    procedure_id int,
    automatic boolean not null,
    state text not null default 'drafted' check (state in ('drafted', 'confirmed', 'refused', 'lapsed')),
    due_at timestamptz not null,
    proposed_on date not null,
    new_due_at timestamptz,
    drafted_at timestamptz not null default now(),
    decided_at timestamptz,
    code text not null,
    reason text,
    check ((state = 'confirmed') = (new_due_at is not null)),
    unique (dossier_id, due_at)
);
create unique index apology_given on apology (dossier_id) where state = 'confirmed';
create index apology_drafted on apology (id) where state = 'drafted';
create index apology_automatic on apology (id) where state = 'drafted' and automatic;
create index apology_of_office on apology (office, id) where state = 'drafted';
create index apology_of_owner on apology (owner_agency, id) where state = 'drafted';

-- Who did what with it, when. Never changed.
create table apology_act (
    id bigint generated always as identity primary key,
    apology_id bigint not null references apology,
    act text not null check (act in ('drafted', 'changed', 'confirmed', 'refused', 'lapsed')),
    at timestamptz not null default now(),
    due_on date,
    actor text not null,
    reason text
);
create index apology_act_apology on apology_act (apology_id);

alter table apology enable row level security;
alter table apology force row level security;
create policy tenant on apology to motma_app using (
    nullif(current_setting('motma.test', true), '') = 'off'
    and exists (select from agency_reach r
                 where r.scope_id = nullif(current_setting('motma.scope', true), '')::int
                   and r.agency_id in (owner_agency, office)));
create policy work on apology to motma_worker using (true);
create policy operator on apology to motma_operator using (true);
alter table apology_act enable row level security;
alter table apology_act force row level security;
create policy tenant on apology_act to motma_app using (exists (select from apology a where a.id = apology_id));
create policy work on apology_act to motma_worker using (true);
create policy operator on apology_act to motma_operator using (true);

grant select on apology_policy to motma_app, motma_worker, motma_operator;
grant insert, update, delete on apology_policy to motma_operator;
grant select, insert, update on deadline_walk to motma_worker;
grant select, update on deadline_walk to motma_operator;
grant select, update on apology to motma_app;
grant select, insert, update on apology to motma_worker;
grant select, insert on apology_act to motma_app, motma_worker;
grant select on apology, apology_act to motma_operator;

-- migrate:down
