-- migrate:up
-- Letters that were taken, by the digest of their Message-ID: read in the mailbox or handed over again, they do nothing.
create table letter_taken (
    claim bytea primary key,
    taken_at timestamptz not null default now()
);
create index letter_taken_age on letter_taken (taken_at);
alter table letter_taken enable row level security;
alter table letter_taken force row level security;
create policy work on letter_taken to motma_worker using (true);
create policy operator on letter_taken for select to motma_operator using (true);
grant select, insert, delete on letter_taken to motma_worker;
grant update (taken_at) on letter_taken to motma_worker; -- FOR UPDATE asks for it
grant select on letter_taken to motma_operator;

-- migrate:down
