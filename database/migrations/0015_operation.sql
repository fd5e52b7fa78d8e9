-- migrate:up
-- What an operator asks of messages: when each attempt began and how it ended, what was paid, how the providers do.

-- `claimed_at`: when each attempt began, the newest last. `dong`: what the sender reckons the message costs.
alter table message add column claimed_at timestamptz[];
alter table message add column dong int;

-- What the row of a message cannot say, because something came after it: attempts that did not end it, and ends that a replay took
-- back. An attempt that neither stands here nor is the last was cut off with its process. `state` is where it left the message.
create table message_step (
    message_id bigint not null references message,
    at timestamptz not null default now(),
    attempt smallint not null,
    state smallint not null,
    replayed boolean not null default false,
    route text,
    reason text
);
create index message_step_message on message_step (message_id);
create index message_step_at on message_step using brin (at) with (autosummarize = on);

-- A tenant reads of its own messages what it may read of their rows.
do $$
declare
    of_messages text;
begin
    foreach of_messages in array array['message_step', 'delivery_report'] loop
        execute format('alter table %I enable row level security', of_messages);
        execute format('alter table %I force row level security', of_messages);
        execute format('create policy tenant on %I for select to motma_app using (
            exists (select from message m where m.id = message_id))', of_messages);
        execute format('create policy work on %I to motma_worker using (true)', of_messages);
        execute format('create policy operator on %I to motma_operator using (true)', of_messages);
    end loop;
end $$;
grant select on message_step, delivery_report to motma_app;
grant select, insert on message_step to motma_worker, motma_operator;

-- Of all channels: what left in the last minutes judges the providers, and what left today was paid.
drop index message_handed_over;
create index message_handed_over on message (handed_over_at) where handed_over_at is not null;
create index message_given_up on message (state, settled_at) where state in (63, 70);
create index opt_out_since on opt_out (since);

-- What was paid, by civil day in Vietnam: summed up once, as far as `counted_until` in the row below says.
create table message_cost (
    day date not null,
    owner_agency int,
    channel text not null,
    messages int not null,
    dong bigint not null,
    unique nulls not distinct (day, owner_agency, channel)
);
alter table message_cost enable row level security;
alter table message_cost force row level security;
create policy tenant on message_cost to motma_app using (
    owner_agency in (select r.agency_id from agency_reach r
                      where r.scope_id = nullif(current_setting('motma.scope', true), '')::int));
create policy operator on message_cost to motma_operator using (true);

-- Which process sums up, and tells the figures that are of the whole and not of a process; until when, by this clock.
create table operation_turn (
    one boolean primary key default true check (one),
    holder uuid,
    until timestamptz not null default '-infinity',
    counted_until timestamptz not null default now()
);
insert into operation_turn default values;

-- Which processes leave a provider alone at the moment, because it failed several times in a row.
create table provider_rest (
    route text not null,
    process uuid not null,
    since timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    primary key (route, process)
);

grant select, insert, update on message_cost, operation_turn to motma_operator;
grant select, insert, update, delete on provider_rest to motma_operator;

-- migrate:down
