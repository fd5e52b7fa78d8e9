-- migrate:up
-- What is kept no longer than it is needed (Luật 91/2025/QH15; terms in service.retention), and what a person asks to be shown or
-- forgotten.
--
-- Role, besides those of 0001; it owns nothing.
--   motma_keeper  deletes what has had its time, and what a person may have deleted; adds and changes nothing else
do $$
begin
    if not exists (select from pg_roles where rolname = 'motma_keeper') then
        create role motma_keeper nologin nosuperuser nobypassrls inherit;
    end if;
    if not pg_has_role(current_user, 'motma_keeper', 'member') then
        grant motma_keeper to current_user;
    end if;
end $$;

-- Feedback whose time is over keeps its number, times and outcome: figures stay true, words and people go.
alter table feedback add column forgotten_at timestamptz;
alter table feedback_case add column forgotten_at timestamptz;
create index feedback_case_forget on feedback_case (filed_at) where not is_open and forgotten_at is null;
create index inbound_handled on inbound (handled_at) where handled_at is not null and text_sealed <> '';
create index quarantine_settled on quarantine (settled_at) where settled_at is not null;

-- Who asked for what about themselves, and when it was done: no more of them than a digest.
create table person_request (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    contact_digest bytea not null,
    act text not null check (act in ('shown', 'forgotten')),
    counts text not null,
    by text not null
);

do $$
declare
    name text;
begin
    foreach name in array array['inbound', 'conversation', 'message', 'message_step', 'delivery_report', 'shown', 'quarantine',
                                'subscription', 'linked_phone', 'device', 'phone_code', 'rating', 'feedback', 'feedback_case',
                                'feedback_step', 'feedback_answer', 'feedback_note', 'feedback_attachment', 'opt_out',
                                'consent_act', 'dossier', 'person_request', 'case_rating', 'control_rating'] loop
        execute format('grant select on %I to motma_keeper', name);
        if (select c.relrowsecurity from pg_class c where c.oid = name::regclass) then
            execute format('create policy keeper on %I to motma_keeper using (true)', name);
        end if;
    end loop;
end $$;
grant delete on conversation, message, message_step, delivery_report, shown, quarantine, subscription, linked_phone, device,
    phone_code, rating, feedback_note, feedback_attachment to motma_keeper;
-- What came keeps its provider's id: whoever sends it again after years is still known.
grant update (sender_digest, sender_sealed, text_sealed, text_digest) on inbound to motma_keeper;
grant update (name_sealed, postal_address_sealed, contact_digest, address_sealed, text_sealed, about_sealed, phone_digest, tail_digest,
              forgotten_at) on feedback to motma_keeper;
grant update (forgotten_at) on feedback_case to motma_keeper;
grant update (why_sealed) on feedback_step to motma_keeper;
grant update (text_sealed) on feedback_answer to motma_keeper;
grant update (reason_sealed) on case_rating, control_rating to motma_keeper;
grant insert on person_request to motma_keeper;

-- migrate:down
