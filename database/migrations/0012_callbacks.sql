-- migrate:up
-- Callbacks: agencies' own systems are told of changes by signed calls. Whoever receives them, the journal of what changed, and
-- the state of each delivery.

create table callback_receiver (
    id text primary key,
    owner_agency int not null references agency,
    test boolean not null,
    url text not null,
    description text not null default '',
    statuses smallint[],
    email_sealed bytea,
    secret_sealed bytea not null,
    old_secret_sealed bytea,
    old_secret_until timestamptz,
    state text not null default 'active' check (state in ('active', 'suspended', 'disabled', 'deleted')),
    reason text,
    -- Calls that failed since the last one that did not, since when, and until when the receiver is left in peace.
    failures int not null default 0,
    failing_since timestamptz,
    rest_until timestamptz not null default '-infinity',
    delivered_at timestamptz,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now()
);
create unique index callback_receiver_url on callback_receiver (owner_agency, test, url) where state <> 'deleted';

-- Of which agencies somebody hears. It stands apart from the receivers because ingest must know whether to keep the journal, also
-- when those who hear are above the agency that writes; it shows no address and no secret.
create table callback_listener (
    agency_id int not null references agency,
    test boolean not null,
    primary key (agency_id, test)
);

-- The journal: one row per stored change of a dossier somebody hears of, written with the change. Numbers of one dossier rise in
-- the order of its changes, because they are drawn while its row is locked. `message_id` is the name by which receivers know it.
create table callback_change (
    id bigint generated always as identity primary key,
    message_id uuid not null default gen_random_uuid(),
    dossier_id bigint not null,
    owner_agency int not null,
    version int not null,
    status smallint not null,
    status_before smallint,
    test boolean not null,
    spread boolean not null default false,
    recorded_at timestamptz not null default clock_timestamp(),
    status_at timestamptz not null,
    due_at timestamptz,
    finished_at timestamptz,
    delivered_at timestamptz,
    code text not null
);
create unique index callback_change_message on callback_change (message_id);
create index callback_change_unspread on callback_change (id) where not spread;
create index callback_change_owner on callback_change (owner_agency, id);
create index callback_change_age on callback_change (recorded_at);

create type callback_entry as (
    dossier_id bigint, owner_agency int, version int, status smallint, status_before smallint, status_at timestamptz,
    due_at timestamptz, finished_at timestamptz, delivered_at timestamptz, code text);

-- One row per change and receiver. States as in domain.message: 0 waits, 10 claimed (until `run_at`, the end of the lease),
-- 63 dead, 80 delivered. `fence` rises with every claim: only the newest holder writes. `tries` counts along the ladder, from `since`.
create table callback_delivery (
    receiver_id text not null,
    change_id bigint not null,
    dossier_id bigint not null,
    owner_agency int not null,
    state smallint not null default 0,
    tries smallint not null default 0,
    answered smallint,
    test boolean not null,
    fence int not null default 0,
    run_at timestamptz not null default now(),
    since timestamptz,
    tried_at timestamptz,
    delivered_at timestamptz,
    failure text,
    primary key (receiver_id, change_id)
) with (fillfactor = 80);
create index callback_delivery_due on callback_delivery (receiver_id, run_at, change_id) where state <= 10;
create index callback_delivery_turn on callback_delivery (receiver_id, dossier_id, change_id) where state <= 10;
create index callback_delivery_dead on callback_delivery (receiver_id, change_id) where state = 63;
create index callback_delivery_change on callback_delivery (change_id);

do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array['callback_receiver', 'callback_change', 'callback_delivery'] loop
        execute format('alter table %I enable row level security', tenant_table);
        execute format('alter table %I force row level security', tenant_table);
        execute format($policy$create policy tenant on %I to motma_app using (
            test = (nullif(current_setting('motma.test', true), '') = 'on')
            and owner_agency in (select r.agency_id from agency_reach r
                                  where r.scope_id = nullif(current_setting('motma.scope', true), '')::int))$policy$, tenant_table);
        execute format('create policy work on %I to motma_worker using (true)', tenant_table);
        execute format('create policy operator on %I to motma_operator using (true)', tenant_table);
    end loop;
end $$;

-- A tenant sees that itself, an agency above it or one below it hears, and may say so of itself and those below.
alter table callback_listener enable row level security;
alter table callback_listener force row level security;
create policy related on callback_listener for select to motma_app using (
    test = (nullif(current_setting('motma.test', true), '') = 'on')
    and (agency_id in (select r.agency_id from agency_reach r
                        where r.scope_id = nullif(current_setting('motma.scope', true), '')::int)
         or agency_id in (select r.scope_id from agency_reach r
                           where r.agency_id = nullif(current_setting('motma.scope', true), '')::int)));
create policy tenant on callback_listener for insert to motma_app with check (
    test = (nullif(current_setting('motma.test', true), '') = 'on')
    and agency_id in (select r.agency_id from agency_reach r
                       where r.scope_id = nullif(current_setting('motma.scope', true), '')::int));
create policy work on callback_listener to motma_worker using (true);

grant select, insert, update on callback_receiver, callback_delivery to motma_app;
grant select, insert on callback_change, callback_listener to motma_app;
grant select, update, delete on callback_receiver, callback_change to motma_worker;
grant select, insert, update, delete on callback_delivery to motma_worker;
grant select, delete on callback_listener to motma_worker;
grant select on callback_receiver, callback_change, callback_delivery to motma_operator;
grant update on callback_receiver, callback_delivery to motma_operator;

-- migrate:down
