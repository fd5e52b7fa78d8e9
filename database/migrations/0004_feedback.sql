-- migrate:up
-- What people say about their dossiers, as it was filed: feedback (phản ánh, kiến nghị) and ratings; the phone a chat is linked
-- to; and what the conversation must find quickly.

-- `number` is what the person is told. `owner_agency` and `dossier_id` are null where no dossier of ours is meant: the intake
-- desk of the whole system sorts those; the code that was typed then is in `about_sealed`. The context is that of the moment of
-- filing: officers see what the sender saw, whatever changes later.
create table feedback (
    id bigint generated always as identity primary key,
    number text not null unique check (number ~ '^PA-[0-9]{6}-[0-9]{6}$'),
    kind text not null check (kind in ('feedback', 'proposal')),
    resembles text check (resembles in ('complaint', 'denunciation')),
    filed_at timestamptz not null default now(),
    dossier_id bigint,
    inbound_id bigint unique,
    owner_agency int,
    agency_id int,
    days_late int,
    status smallint check (status between 1 and 10),
    stage text,
    proven boolean not null,
    channel text not null,
    language text not null check (language in ('vi', 'en')),
    contact_digest bytea not null,
    address_sealed bytea not null,
    text_sealed bytea not null,
    about_sealed bytea
);
create index feedback_desk on feedback (owner_agency, filed_at);
create index feedback_dossier on feedback (dossier_id, filed_at) where dossier_id is not null;
create index feedback_contact on feedback (contact_digest, filed_at);

-- One rating of a person per dossier, and one of the service itself (dossier_id null); a newer one takes its place. Who rated is
-- confidential (NĐ 118/2025 Đ29.3): no agency's role may read it.
create table rating (
    id bigint generated always as identity primary key,
    rated_at timestamptz not null default now(),
    dossier_id bigint,
    inbound_id bigint,
    owner_agency int,
    agency_id int,
    score smallint not null check (score between 1 and 5),
    proven boolean not null,
    channel text not null,
    language text not null check (language in ('vi', 'en')),
    contact_digest bytea not null,
    reason_sealed bytea,
    unique nulls not distinct (contact_digest, dossier_id)
);
create index rating_desk on rating (owner_agency, rated_at);

do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array['feedback', 'rating'] loop
        execute format('alter table %I enable row level security', tenant_table);
        execute format('alter table %I force row level security', tenant_table);
        execute format($policy$create policy tenant on %I to motma_app using (
            owner_agency in (select r.agency_id from agency_reach r
                              where r.scope_id = nullif(current_setting('motma.scope', true), '')::int))$policy$, tenant_table);
        execute format('create policy work on %I to motma_worker using (true)', tenant_table);
        execute format('create policy operator on %I to motma_operator using (true)', tenant_table);
    end loop;
end $$;

-- The phone that belongs to a person's chat: said so by the platform, or read back from a code sent to it.
create table linked_phone (
    contact_digest bytea primary key,
    phone_sealed bytea not null,
    source text not null check (source in ('platform', 'code')),
    linked_at timestamptz not null default now()
);

-- A text that says of itself that a machine wrote it.
alter table inbound add column automatic boolean not null default false;
-- How many replies a person had of late.
create index inbound_answered on inbound (sender_digest, handled_at) where handled_at is not null and failure is null;
-- What a person was told last without asking: a free text may be the answer to it.
create index message_told on message (contact_digest, id) where dossier_id is not null;

grant select, insert on feedback to motma_worker;
grant select, insert, update on rating to motma_worker;
grant select, insert, update, delete on linked_phone to motma_worker;
grant select on feedback to motma_app;
grant select (id, rated_at, dossier_id, owner_agency, agency_id, score, proven, channel, language, reason_sealed)
    on rating to motma_app;
grant select on feedback, rating, linked_phone to motma_operator;

-- migrate:down
