-- migrate:up
-- Due dates that were stated when the walk of the calendar had passed them: noted with the change, looked at by the watch.

create table date_stated_late (
    id bigint generated always as identity primary key,
    dossier_id bigint not null,
    due_at timestamptz not null,
    learned_at timestamptz not null default now()
);

-- Who stores changes notes and never reads; row-level security would have nothing to show anybody.
grant insert on date_stated_late to motma_app;
grant select, update, delete on date_stated_late to motma_worker;
grant select on deadline_walk to motma_app;

-- migrate:down
revoke select on deadline_walk from motma_app;
drop table date_stated_late;
