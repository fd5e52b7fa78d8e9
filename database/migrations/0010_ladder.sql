-- migrate:up
-- By which way a person is reached, and which way is tried next; the words an agency uses in place of ours.

-- `ways` are the rungs of the ladder still to come, null when there are none; `climbed_from` is the message that did not arrive.
-- `person_digest`: the phone whose holder this is, where the message goes to a chat linked to it.
alter table message add column ways text[];
alter table message add column climbed_from bigint;
alter table message add column person_digest bytea;
create index message_climb on message (id) where ways is not null;

-- A linked chat can be reached, and is found by the phone. Chats linked before are found once they are linked again.
alter table linked_phone add column phone_digest bytea;
alter table linked_phone add column channel text;
alter table linked_phone add column address_sealed bytea;
create index linked_phone_phone on linked_phone (phone_digest) where phone_digest is not null;

-- The rungs for one agency and all below it: channels, and 'chat' for a chat linked to the phone. The nearest agency's counts.
-- `dong`: no further rung once a dossier's notices cost so much; null for the operator's own limit.
create table notice_ladder (
    agency_id int primary key references agency,
    rungs text[] not null check (cardinality(rungs) > 0),
    dong int check (dong >= 0),
    changed_at timestamptz not null default now()
);

-- An agency's own words for one kind of change, in one form and language. Versions are kept; the newest is used, and one without
-- words takes the agency's wording back.
create table notice_text (
    agency_id int not null references agency,
    event text not null,
    form text not null check (form in ('sms', 'full')),
    language text not null check (language in ('vi', 'en')),
    version int not null,
    words text,
    written_at timestamptz not null default now(),
    primary key (agency_id, event, form, language, version)
);

grant select (contact_digest, phone_digest, channel, address_sealed, linked_at) on linked_phone to motma_app;
grant select on notice_ladder, notice_text to motma_app, motma_worker, motma_operator;
grant insert, update, delete on notice_ladder to motma_operator;
grant insert on notice_text to motma_operator;

-- migrate:down
