-- migrate:up
-- What citizens see on devices of their own: the web chat, and the dossiers of a phone proven by a one-time code.

-- The page of a chat reads what was shown in its own session.
create index message_web on message (contact_digest, id) where channel = 'web';

-- Dossiers by the registered phone. A filter for each few pages, not an entry for each dossier: it costs ingest nothing, and the
-- look-up, which is rare and limited, some milliseconds for each million dossiers. docs/decisions/0010 has the figures.
create index dossier_phone on dossier using brin (
    phone_digest bytea_bloom_ops (n_distinct_per_range = 700, false_positive_rate = 0.001))
    with (pages_per_range = 32, autosummarize = on);

-- A one-time code on its way to a phone. Found by the digest of what the asking browser keeps; `tries` rises before a code is
-- compared. A row stands here whether or not the phone has a dossier.
create table phone_code (
    ask_digest bytea primary key,
    phone_digest bytea not null,
    phone_sealed bytea not null,
    code_digest bytea not null,
    tries smallint not null default 0,
    asked_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index phone_code_expiry on phone_code (expires_at);

-- A device on which a phone was proven. Found by the digest of the device's token.
create table device (
    token_digest bytea primary key,
    phone_digest bytea not null,
    phone_sealed bytea not null,
    proven_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index device_expiry on device (expires_at);

do $$
declare
    gated_table text;
begin
    foreach gated_table in array array['phone_code', 'device'] loop
        execute format('alter table %I enable row level security', gated_table);
        execute format('alter table %I force row level security', gated_table);
        execute format('create policy gate on %I to motma_worker using (true)', gated_table);
    end loop;
end $$;

grant select, insert, update, delete on phone_code, device to motma_worker;

-- migrate:down
