-- migrate:up
-- Who is told what: subscriptions, the outbox that is also the proof of delivery, inbound messages, opt-outs, conversations.

-- A person's own wish about one dossier. The phone the agency gave with the dossier needs no row: it is told by duty unless a
-- 'muted' row here or an opt-out says otherwise. Keyed by the contact's digest, so a re-import changes nothing.
create table subscription (
    dossier_id bigint not null,
    contact_digest bytea not null,
    owner_agency int not null,
    state text not null check (state in ('active', 'muted')),
    proven boolean not null,
    channel text not null,
    address_sealed bytea not null,
    language text not null default 'vi' check (language in ('vi', 'en')),
    changed_at timestamptz not null default now(),
    primary key (dossier_id, contact_digest)
);
create index subscription_contact on subscription (contact_digest);

create table opt_out (
    contact_digest bytea primary key,
    since timestamptz not null default now(),
    source text not null
);

-- Evidence of every act of consent or refusal, never changed.
create table consent_act (
    id bigint generated always as identity primary key,
    contact_digest bytea not null,
    act text not null check (act in ('follow', 'mute', 'stop_all', 'resume')),
    dossier_id bigint,
    inbound_id bigint,
    at timestamptz not null default now()
);
create index consent_act_contact on consent_act (contact_digest, at);

-- One row per message to one person: the queue entry and the proof. `attempts` rises when the row is leased and is the fencing
-- number: only the holder of the newest lease may write an outcome. From HANDED_OVER on `state` is a rank that only rises
-- (domain.message). `faults` counts leases that ended in a crash or an unknown error, `doubts` sends whose answer never came.
create table message (
    id bigint generated always as identity primary key,
    dossier_id bigint,
    event_key uuid,
    created_at timestamptz not null default now(),
    run_at timestamptz not null default now(),
    expires_at timestamptz not null,
    handed_over_at timestamptz,
    settled_at timestamptz,
    owner_agency int,
    inbound_id bigint,
    state smallint not null default 0,
    lane smallint not null default 1,
    attempts smallint not null default 0,
    faults smallint not null default 0,
    doubts smallint not null default 0,
    kind text not null,
    channel text not null,
    language text not null default 'vi',
    proven boolean not null default true,
    contact_digest bytea not null,
    address_sealed bytea not null,
    text_sealed bytea,
    our_sender text,
    route text,
    provider_id text,
    failure text
) with (fillfactor = 70);
create index message_waiting on message (channel, lane, run_at, id) where state <= 20;
create unique index message_reply on message (inbound_id) where inbound_id is not null;
create index message_dossier on message (dossier_id) where dossier_id is not null;
create index message_provider on message (route, provider_id) where provider_id is not null;

-- Every delivery report we were sent about a message of ours, late and lower ones included.
create table delivery_report (
    id bigint generated always as identity primary key,
    message_id bigint not null references message,
    state smallint not null,
    at timestamptz not null default now(),
    route text not null,
    provider_word text not null
);
create index delivery_report_message on delivery_report (message_id);

-- Every accepted webhook call, once. Committed before the provider is answered.
create table inbound (
    id bigint generated always as identity primary key,
    channel text not null,
    provider_id text not null,
    sender_digest bytea not null,
    sender_sealed bytea not null,
    recipient text not null,
    text_sealed bytea not null,
    text_digest bytea not null,
    received_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    run_at timestamptz not null default now(),
    handled_at timestamptz,
    attempts smallint not null default 0,
    failure text,
    unique (channel, provider_id)
);
create index inbound_waiting on inbound (run_at, id) where handled_at is null;
-- A person's messages are handled one after another: the later one may answer what the earlier one made us ask.
create index inbound_in_turn on inbound (sender_digest, id) where handled_at is null;
-- The same words again and again from one sender: an auto-responder, not to be answered for ever.
create index inbound_sender on inbound (sender_digest, id);

-- What we last asked a person, and until when an answer to it makes sense.
create table conversation (
    contact_digest bytea primary key,
    state_sealed bytea not null,
    language text not null default 'vi',
    expires_at timestamptz not null
);

do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array['subscription', 'message'] loop
        execute format('alter table %I enable row level security', tenant_table);
        execute format('alter table %I force row level security', tenant_table);
        execute format($policy$create policy tenant on %I to motma_app using (
            owner_agency in (select r.agency_id from agency_reach r
                              where r.scope_id = nullif(current_setting('motma.scope', true), '')::int))$policy$, tenant_table);
        execute format('create policy work on %I to motma_worker using (true)', tenant_table);
        execute format('create policy operator on %I to motma_operator using (true)', tenant_table);
    end loop;
end $$;

grant select on subscription, opt_out to motma_app;
grant select, insert on message to motma_app;
grant select, insert, update, delete on subscription, opt_out, conversation to motma_worker;
grant select, insert, update on message, inbound to motma_worker;
grant select, insert on delivery_report, consent_act to motma_worker;
grant select, update on message to motma_operator;
grant select on subscription, opt_out, consent_act, delivery_report, inbound to motma_operator;

-- migrate:down
