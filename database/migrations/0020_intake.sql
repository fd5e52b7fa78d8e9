-- migrate:up
-- What the web form, letters and e-mail bring: where the answer goes, drafts, files, and how content people are with the handling.

-- `claim`: the digest of the form it came by: sent twice, it files once. `reply_channel`: where the sender is written to, where that is
-- not how it came; `reply_proven`: the address is known to be theirs, so that it may be told the number, the office and the answer.
alter table feedback
    add column claim bytea unique,
    add column reply_channel text,
    add column reply_proven boolean not null default true,
    add column withdrawn_at timestamptz,
    drop constraint feedback_resembles_check,
    add check (resembles in ('complaint', 'denunciation', 'emergency', 'spam'));

-- What somebody has begun to write, sealed: theirs by the device that keeps its token, or by its code with the contact it names.
-- `number`: what it became; the same form sent once more is answered with that.
create table feedback_draft (
    token_digest bytea primary key,
    code_digest bytea not null unique,
    contact_digests bytea[] not null default '{}',
    fields_sealed bytea not null,
    number text,
    changed_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index feedback_draft_expiry on feedback_draft (expires_at);
create table feedback_draft_file (
    id bigint generated always as identity primary key,
    token_digest bytea not null references feedback_draft on delete cascade,
    name_sealed bytea not null,
    content_type text not null,
    size int not null check (size between 1 and 10485760),
    digest bytea not null,
    content_sealed bytea not null,
    unique (token_digest, digest)
);

-- How content a sender is with the handling of what they filed: one of each, the newest counts. Who rated is confidential
-- (NĐ 118/2025 Đ29.3): offices see the score and the reason, not whose and of which case.
create table case_rating (
    id bigint generated always as identity primary key,
    rated_at timestamptz not null default now(),
    feedback_id bigint not null unique references feedback,
    case_id bigint not null references feedback_case,
    agency_id int not null references agency,
    score smallint not null check (score between 1 and 5),
    channel text not null,
    language text not null check (language in ('vi', 'en')),
    reason_sealed bytea
);
create index case_rating_desk on case_rating (agency_id, rated_at);

-- The same by the body that controls the office: an officer of an agency above it.
create table control_rating (
    id bigint generated always as identity primary key,
    rated_at timestamptz not null default now(),
    case_id bigint not null references feedback_case,
    agency_id int not null references agency,
    account_id bigint not null references account,
    score smallint not null check (score between 1 and 5),
    reason_sealed bytea,
    unique (case_id, account_id)
);
create index control_rating_desk on control_rating (agency_id, rated_at);

do $$
declare
    name text;
begin
    foreach name in array array['case_rating', 'control_rating'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy work on %I to motma_worker using (true)', name);
        execute format('create policy operator on %I to motma_operator using (true)', name);
        execute format($policy$create policy tenant on %I to motma_app using (
            agency_id in (select r.agency_id from agency_reach r
                           where r.scope_id = nullif(current_setting('motma.scope', true), '')::int))$policy$, name);
        execute format('grant select on %I to motma_operator', name);
    end loop;
end $$;
grant select, insert, update on case_rating to motma_worker;
grant select (id, rated_at, agency_id, score, channel, language, reason_sealed) on case_rating to motma_app;
grant select on control_rating to motma_app, motma_worker;
grant insert on control_rating to motma_console;
grant update (rated_at, score, reason_sealed, agency_id) on control_rating to motma_console;
grant select, insert, update, delete on feedback_draft, feedback_draft_file to motma_worker;

-- migrate:down
