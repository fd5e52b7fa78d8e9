-- migrate:up
-- What the SMS gateways keep: parts of long messages, calls of a gateway that wait for their answer, and which route carries the
-- traffic.

-- Parts of a message that a gateway hands over one by one, in any order and more than once. A row whose text is gone was joined;
-- it stays as proof that the part came, for as long as a gateway may send it again.
create table sms_part (
    route text not null,
    provider_id text not null,
    group_digest bytea not null,
    number smallint not null check (number between 1 and 255),
    total smallint not null check (total between 1 and 255),
    sender_sealed bytea not null,
    recipient text not null,
    text_sealed bytea,
    received_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    joined_at timestamptz,
    primary key (route, provider_id)
);
create index sms_part_open on sms_part (group_digest) where joined_at is null;
create index sms_part_waiting on sms_part (recorded_at) where joined_at is null;

-- Calls of a gateway that takes our answer in the body of its own call. `digest` is of sender, number and words: the same within
-- a minute is the same call made again, and gets the same answer. `message_id` is the answer handed to it.
create table sms_call (
    digest bytea primary key,
    provider_id text not null unique,
    made_at timestamptz not null,
    waits_until timestamptz not null,
    message_id bigint
);
create index sms_call_age on sms_call (made_at);

-- How each route did when last enough of its messages could be judged, and the one that carries the traffic.
create table sms_route (
    route text primary key,
    slow boolean not null,
    judged_at timestamptz not null
);
create table sms_traffic (
    one boolean primary key default true check (one),
    route text not null,
    moved_at timestamptz not null,
    looked_at timestamptz not null
);
-- The messages of the last minutes, for judging their routes.
create index message_handed_over on message (handed_over_at) where channel = 'sms';

grant select, insert, update, delete on sms_part, sms_call to motma_worker;
grant select, insert, update on sms_route, sms_traffic to motma_worker;
grant select on sms_route, sms_traffic to motma_operator;

-- migrate:down
