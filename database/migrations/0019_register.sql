-- migrate:up
-- The public register: questions and answers as published, in a chain that shows tampering; and the figures beside them.
-- docs/register.md says what is hashed and how anybody verifies it.

-- Every record of the chain. `kind`: an entry, or the removal of a part of one. `content` of an entry commits to its parts by their
-- salted digests; of a removal it says what went and why. The head is the newest record: who publishes, waits for the one before.
create table register_record (
    n bigint primary key check (n > 0),
    at timestamptz not null,
    kind text not null check (kind in ('entry', 'removal')),
    entry bigint not null,
    content text not null,
    previous bytea not null check (length(previous) = 32),
    digest bytea not null check (length(digest) = 32),
    check (kind = 'removal' or entry = n)
);
create index register_record_removals on register_record (entry) where kind = 'removal';
create table register_head (
    one boolean primary key default true check (one),
    n bigint not null default 0,
    at timestamptz not null default '-infinity',
    digest bytea not null default decode(repeat('00', 32), 'hex')
);
insert into register_head default values;

-- Where the chain stood at the end of each day, signed: whoever keeps one can tell later whether history was rewritten.
create table register_checkpoint (
    day date primary key,
    n bigint not null,
    digest bytea not null,
    key bytea not null,
    signature bytea not null
);

-- What an entry shows. A part that was removed has neither text nor salt: its digest in `digests` (facts, question, answer, name: 32
-- bytes each) then tells nothing, and the chain holds. `facts` is the very text that was hashed; the columns beside it say the same
-- for filters. `words`: what is searched, without accents, and the filters as words.
create table register_entry (
    n bigint primary key references register_record,
    case_id bigint not null references feedback_case,
    published_by bigint references account,
    agency_id int not null references agency,
    kind text not null check (kind in ('feedback', 'proposal')),
    content text,
    filed_on date not null,
    answered_on date not null,
    on_time boolean not null,
    published_at timestamptz not null,
    replaced_by bigint references register_record,
    removed_at timestamptz,
    facts text not null,
    facts_salt bytea not null,
    question text,
    question_salt bytea,
    answer text,
    answer_salt bytea,
    name text,
    name_salt bytea,
    digests bytea not null check (length(digests) = 128),
    words tsvector,
    listed boolean not null generated always as (replaced_by is null and removed_at is null) stored,
    check (removed_at is null or (question is null and question_salt is null and answer is null and answer_salt is null
                                  and name is null and name_salt is null and words is null))
);
create index register_entry_newest on register_entry (kind, on_time, n) where listed;
create index register_entry_agency on register_entry (agency_id, kind, on_time, n) where listed;
create index register_entry_filed on register_entry (filed_on, n) where listed;
create index register_entry_day on register_entry (published_at, n);
create index register_entry_case on register_entry (case_id, n);
create index register_entry_named on register_entry (case_id) where name <> '';
create index register_entry_words on register_entry using gin (words) with (fastupdate = off) where listed;

-- How each agency with all below it did in the last twelve months, worked out once an hour. Sums only: no person can be found in them.
create table register_figure (
    agency_id int primary key references agency,
    as_of timestamptz not null,
    cases_filed bigint not null,
    cases_answered bigint not null,
    cases_on_time bigint not null,
    cases_late bigint not null,
    cases_reopened bigint not null,
    cases_solved bigint not null,
    cases_published bigint not null,
    dossiers_finished bigint not null,
    dossiers_on_time bigint not null,
    dossier_ratings bigint not null,
    dossier_content bigint not null,
    case_ratings bigint not null,
    case_content bigint not null,
    controller_ratings bigint not null,
    controller_content bigint not null
);

-- Feedback that a program filed with its key (Open311): the key reads it again. `token` is asked for its number.
create table feedback_by_key (
    feedback_id bigint primary key references feedback,
    api_key_id text not null references api_key,
    token text not null unique
);
create index feedback_by_key_key on feedback_by_key (api_key_id, feedback_id);

do $$
declare
    name text;
begin
    foreach name in array array['feedback_by_key', 'register_record', 'register_head', 'register_checkpoint', 'register_entry', 'register_figure'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy work on %I to motma_worker using (true)', name);
        execute format('create policy operator on %I for select to motma_operator using (true)', name);
        execute format('grant select on %I to motma_worker, motma_operator', name);
    end loop;
    foreach name in array array['register_record', 'register_checkpoint', 'register_entry', 'register_figure'] loop
        execute format('create policy anybody on %I for select to motma_public using (true)', name);
    end loop;
    foreach name in array array['register_record', 'register_checkpoint', 'register_figure'] loop
        execute format('grant select on %I to motma_public', name);
    end loop;
end $$;
-- An officer's own cases, as with everything else of a case; what the public sees is read as the public.
create policy tenant on register_entry to motma_app using (exists (select from feedback_case c where c.id = case_id));
create policy append on register_record for insert to motma_app with check (true);
create policy head on register_head to motma_app using (true);
-- Of a published case anybody may know how it stands: whether its sender objected, and whether it is over.
create policy published on feedback_case for select to motma_public using (exists (select from register_entry e where e.case_id = id));

grant select (n, case_id, agency_id, kind, content, filed_on, answered_on, on_time, published_at, replaced_by, removed_at, facts,
              facts_salt, question, question_salt, answer, answer_salt, name, name_salt, digests, words, listed)
    on register_entry to motma_public;
grant select (id, state, reopened) on feedback_case to motma_public;
grant select, update on register_head to motma_app, motma_worker;
grant insert on register_record to motma_app, motma_worker;
grant select, insert on register_entry to motma_app;
grant update (replaced_by, removed_at, question, question_salt, answer, answer_salt, name, name_salt, words) on register_entry
    to motma_app, motma_worker;
grant insert on register_checkpoint, feedback_by_key to motma_worker;
grant insert, update, delete on register_figure to motma_worker;

-- migrate:down
