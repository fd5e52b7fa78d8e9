-- migrate:up
-- The central store: agencies, procedures, dossiers and their history, and who may see which row.
--
-- Roles. The service logs in as one user and works as one of these; none of them owns anything.
--   motma_app       an agency's key or an officer: rows of the tenant set for the transaction, nothing else
--   motma_public    a code alone (level L0): only the columns that may be shown to anybody
--   motma_citizen   a code with a proof (level L1): the one row whose digests match the proof set for the transaction
--   motma_worker    conversation and dispatcher: messages, subscriptions, inbound
--   motma_operator  the command line: keys, quarantine, mappings, figures
do $$
declare
    role_name text;
begin
    foreach role_name in array array['motma_app', 'motma_public', 'motma_citizen', 'motma_worker', 'motma_operator'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I nologin nosuperuser nobypassrls', role_name);
        end if;
        if not pg_has_role(current_user, role_name, 'member') then
            execute format('grant %I to current_user', role_name);
        end if;
    end loop;
end $$;

-- Agencies: nodes with a period of validity. A code is never rewritten; a merger is a new node and an edge.
create table agency (
    id int generated always as identity primary key,
    code text not null,
    name text not null,
    name_en text not null default '',
    level text not null check (level in ('national', 'ministry', 'province', 'department', 'district', 'commune')),
    parent_id int references agency,
    phone text not null default '',
    address text not null default '',
    disclosure text not null default 'strict' check (disclosure in ('strict', 'open')),
    valid_from date not null,
    valid_to date,
    unique (code, valid_from),
    check (valid_to is null or valid_to >= valid_from)
);
create index agency_parent on agency (parent_id);

create table agency_successor (
    predecessor_id int not null references agency,
    successor_id int not null references agency,
    primary key (predecessor_id, successor_id)
);
create index agency_successor_by_successor on agency_successor (successor_id);

-- Who reaches whom: every agency reaches itself and all below it, closed nodes included. Rewritten whenever the tree changes.
create table agency_reach (
    scope_id int not null references agency,
    agency_id int not null references agency,
    primary key (scope_id, agency_id)
);
create index agency_reach_by_agency on agency_reach (agency_id);

create table procedure (
    id int generated always as identity primary key,
    code text not null unique,
    name text not null default '',
    sector text not null default ''
);

create table procedure_term (
    procedure_id int not null references procedure,
    effective_from date not null,
    effective_to date,
    amount int not null check (amount > 0),
    unit text not null check (unit in ('working_days', 'calendar_days', 'working_hours')),
    primary key (procedure_id, effective_from)
);

create table day_override (
    day date primary key,
    kind text not null check (kind in ('off', 'worked')),
    reason text not null,
    source text not null,
    changed_at timestamptz not null default now()
);

-- The code directory. The dossier's own key is a time-ordered number, so that inserts and most updates touch the newest pages
-- only; the directory is the single random index and is written once per dossier. docs/decisions/0003 has the figures.
create sequence dossier_id as bigint cache 64;
create table dossier_code (
    code text not null check (length(code) between 1 and 64),
    test boolean not null,
    dossier_id bigint not null,
    owner_agency int not null,
    primary key (code, test) include (dossier_id)
);

-- No foreign keys from here on: agencies and procedures are checked by the writer, and a check per row is a third of its cost.
create table dossier (
    id bigint not null,
    version int not null,
    owner_agency int not null,
    receiving_agency int not null,
    resolving_agency int,
    procedure_id int,
    status smallint not null check (status between 1 and 10),
    filing_channel smallint,
    test boolean not null,
    status_at timestamptz not null,
    facts_at timestamptz,
    received_at timestamptz,
    due_at timestamptz,
    finished_at timestamptz,
    delivered_at timestamptz,
    recorded_at timestamptz not null default now(),
    facts_digest bigint,
    code text not null,
    reference text,
    applicant_name text,
    applicant_kind text,
    asked text,
    phone_digest bytea,
    phone_tail_digest bytea,
    secret_digest bytea,
    phone_sealed bytea,
    email_sealed bytea,
    note text,
    extra jsonb,
    primary key (id)
) partition by range (id);
create index dossier_reference on dossier (owner_agency, reference) where reference is not null;

-- Full history: one row per event, one per statement of facts. `event_key` is the digest of (sender, code, event id). What the
-- dossier row says of status, due date and end is what this history says when read in time order (lookup.newest).
create table dossier_event (
    dossier_id bigint not null,
    event_key uuid not null,
    at timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    owner_agency int not null,
    sender_agency int not null,
    status smallint not null check (status between 1 and 10),
    test boolean not null,
    from_facts boolean not null,
    due_at timestamptz,
    finished_at timestamptz,
    delivered_at timestamptz,
    event_id text not null,
    raw_status text,
    office text,
    officer text,
    note text,
    asked text,
    primary key (dossier_id, event_key)
) partition by range (dossier_id);
-- The journal of one agency, in order of recording: lists with changed_since walk it.
create index dossier_event_journal on dossier_event (owner_agency, recorded_at, dossier_id);

-- The rows of ingest as they come: one parameter per batch, which a driver packs at half the price of an array per column. A later
-- shape gets a new name, so that processes of two versions can write side by side.
create type history_entry as (
    dossier_id bigint, event_key uuid, owner_agency int, at timestamptz, status smallint, from_facts boolean,
    due_at timestamptz, finished_at timestamptz, delivered_at timestamptz,
    event_id text, raw_status text, office text, officer text, note text, asked text);
create type dossier_course as (
    id bigint, version int, status smallint, status_at timestamptz,
    due_at timestamptz, finished_at timestamptz, delivered_at timestamptz, asked text);
create type dossier_facts as (
    id bigint, version int, status smallint, status_at timestamptz,
    due_at timestamptz, finished_at timestamptz, delivered_at timestamptz, asked text,
    receiving_agency int, resolving_agency int, procedure_id int, filing_channel smallint, facts_at timestamptz,
    facts_digest bigint, received_at timestamptz, reference text, applicant_name text, applicant_kind text,
    phone_digest bytea, phone_tail_digest bytea, secret_digest bytea, phone_sealed bytea, email_sealed bytea,
    note text, extra jsonb, code text);

-- A partition holds 2^24 dossiers. The function keeps one empty partition ahead; it runs with its owner's rights because the
-- roles that call it own nothing.
create function add_dossier_partitions() returns int
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    width constant bigint := 16777216;
    needed bigint := (select last_value from dossier_id) / width + 1;
    added int := 0;
begin
    perform pg_advisory_xact_lock(7305808869231651169);
    for n in 0 .. needed loop
        if to_regclass(format('dossier_%s', n)) is null then
            execute format('create table dossier_%s partition of dossier for values from (%s) to (%s) with (fillfactor = 85)',
                           n, n * width, (n + 1) * width);
            execute format('create table dossier_event_%s partition of dossier_event for values from (%s) to (%s)',
                           n, n * width, (n + 1) * width);
            added := added + 1;
        end if;
    end loop;
    return added;
end $$;
revoke all on function add_dossier_partitions() from public;
select add_dossier_partitions();

-- When each agency's system was last heard from: what 'as of' and 'fresh' rest on.
create table feed (
    agency_id int primary key references agency,
    heard_at timestamptz not null
);

create table status_mapping (
    sender_agency int not null references agency,
    raw text not null,
    status smallint not null check (status between 1 and 10),
    mapped_at timestamptz not null default now(),
    primary key (sender_agency, raw)
);

-- What a sender means by its own numbers for kinds of applicant (LoaiDoiTuong): the contracts contradict each other.
create table applicant_kind_mapping (
    sender_agency int not null references agency,
    raw text not null,
    kind text not null,
    mapped_at timestamptz not null default now(),
    primary key (sender_agency, raw)
);

create table quarantine (
    id bigint generated always as identity primary key,
    owner_agency int not null,
    sender_agency int not null,
    test boolean not null,
    route text not null,
    reason text not null,
    field text,
    value text,
    payload_digest bytea not null,
    payload_sealed bytea not null,
    arrived_at timestamptz not null default now(),
    settled_at timestamptz,
    settlement text
);
create index quarantine_open on quarantine (owner_agency, arrived_at) where settled_at is null;
create unique index quarantine_once on quarantine (owner_agency, test, payload_digest) where settled_at is null;

create table api_key (
    id text primary key,
    secret_digest bytea not null,
    agency_id int not null references agency,
    kind text not null check (kind in ('live', 'test')),
    name text not null,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    revoked_at timestamptz
);
create index api_key_agency on api_key (agency_id);

create table idempotency (
    api_key_id text not null,
    key_digest bytea not null,
    owner_agency int not null,
    request_digest bytea not null,
    status smallint,
    body bytea,
    recorded_at timestamptz not null default now(),
    primary key (api_key_id, key_digest)
);
create index idempotency_age on idempotency using brin (recorded_at);

-- Row-level security. A missing or empty setting makes the comparison null: no rows, and no error either.
do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array['dossier_code', 'dossier', 'dossier_event', 'quarantine'] loop
        execute format('alter table %I enable row level security', tenant_table);
        execute format('alter table %I force row level security', tenant_table);
        execute format($policy$create policy tenant on %I to motma_app using (
            test = (nullif(current_setting('motma.test', true), '') = 'on')
            and owner_agency in (select r.agency_id from agency_reach r
                                  where r.scope_id = nullif(current_setting('motma.scope', true), '')::int))$policy$, tenant_table);
    end loop;
end $$;

alter table idempotency enable row level security;
alter table idempotency force row level security;
create policy tenant on idempotency to motma_app using (
    owner_agency = nullif(current_setting('motma.scope', true), '')::int);

create policy sweep on idempotency to motma_worker using (true);

alter table api_key enable row level security;
alter table api_key force row level security;
create policy gate on api_key to motma_worker, motma_operator using (true);

create policy anybody on dossier_code for select to motma_public, motma_citizen, motma_worker using (not test);
create policy anybody on dossier for select to motma_public, motma_worker using (not test);
create policy history on dossier_event for select to motma_worker using (not test);
create policy proven on dossier for select to motma_citizen using (
    not test and (
        secret_digest = decode(nullif(current_setting('motma.proof_secret', true), ''), 'hex')
        or phone_digest = decode(nullif(current_setting('motma.proof_phone', true), ''), 'hex')
        or phone_tail_digest = decode(nullif(current_setting('motma.proof_tail', true), ''), 'hex')));
create policy proven on dossier_event for select to motma_citizen using (
    exists (select from dossier d where d.id = dossier_id));
create policy operator on quarantine to motma_operator using (true);
create policy operator on dossier_code for select to motma_operator using (true);
create policy operator on dossier for select to motma_operator using (true);
create policy operator on dossier_event for select to motma_operator using (true);

grant usage on schema public to motma_app, motma_public, motma_citizen, motma_worker, motma_operator;
grant select on agency, agency_successor, agency_reach, procedure, procedure_term, day_override, feed, status_mapping,
    applicant_kind_mapping
    to motma_app, motma_public, motma_citizen, motma_worker, motma_operator;

grant select, insert on dossier_code, dossier_event to motma_app;
grant select, insert, update on dossier, idempotency, feed to motma_app;
grant insert on quarantine, procedure to motma_app;
grant select, update on quarantine to motma_app;
grant usage on sequence dossier_id to motma_app;
grant execute on function add_dossier_partitions() to motma_worker, motma_operator;

grant select on dossier_code to motma_public, motma_citizen, motma_worker;
grant select (id, version, owner_agency, receiving_agency, resolving_agency, status, test, status_at, received_at, due_at,
              finished_at, recorded_at, code)
    on dossier to motma_public;
grant select (id, version, owner_agency, receiving_agency, resolving_agency, procedure_id, status, test, status_at, received_at,
              due_at, finished_at, delivered_at, recorded_at, code, applicant_name, asked, phone_digest, phone_tail_digest,
              secret_digest)
    on dossier to motma_citizen;
grant select (dossier_id, at, status, office, test) on dossier_event to motma_citizen;
grant select (id, version, owner_agency, receiving_agency, resolving_agency, procedure_id, status, test, status_at, received_at,
              due_at, finished_at, delivered_at, recorded_at, code, applicant_name, asked, phone_digest)
    on dossier to motma_worker;
grant select (dossier_id, event_key, at, recorded_at, owner_agency, status, test, due_at, asked) on dossier_event to motma_worker;
grant select, update on api_key to motma_worker;
grant select (recorded_at), delete on idempotency to motma_worker;

grant select, insert, update on api_key, quarantine, status_mapping, applicant_kind_mapping, day_override to motma_operator;
grant delete on status_mapping, applicant_kind_mapping, day_override to motma_operator;
grant select (id, version, owner_agency, receiving_agency, resolving_agency, status, test, status_at, received_at, due_at, finished_at,
              recorded_at, code)
    on dossier to motma_operator;
grant select on dossier_code, dossier_event to motma_operator;

-- migrate:down
