-- migrate:up
-- What the console needs: one rating of a case by the body that controls its office, with its history; totals of a day of
-- offices without a system; dossiers by the applicant's name; cases that were merged into one.

-- One counts for a case; those before it stay as they were given.
alter table control_rating add column replaced_at timestamptz;
alter table control_rating drop constraint control_rating_case_id_account_id_key;
update control_rating r set replaced_at = n.rated_at
  from (select case_id, max(id) as id, max(rated_at) as rated_at from control_rating group by case_id) n
 where n.case_id = r.case_id and r.id <> n.id;
create unique index control_rating_counts on control_rating (case_id) where replaced_at is null;
create index control_rating_case on control_rating (case_id, id);
revoke update (rated_at, score, reason_sealed, agency_id) on control_rating from motma_console;
grant update (replaced_at) on control_rating to motma_console;

-- What an office without a system did on a day, by the fields of lookup.field_dictionary. A correction is a new row; the one before
-- stays. `other_sealed`: what caused the lateness that no field names; `why_sealed`: why it was corrected.
create table day_total (
    id bigint generated always as identity primary key,
    agency_id int not null references agency,
    day date not null,
    counts jsonb not null,
    other_sealed bytea,
    why_sealed bytea,
    account_id bigint not null references account,
    saved_at timestamptz not null default now(),
    replaced_at timestamptz
);
create unique index day_total_counts on day_total (agency_id, day) where replaced_at is null;
create index day_total_history on day_total (agency_id, day, id);
alter table day_total enable row level security;
alter table day_total force row level security;
create policy officer on day_total to motma_console using (
    agency_id in (select r.agency_id from agency_reach r where r.scope_id = nullif(current_setting('motma.scope', true), '')::int));
create policy operator on day_total for select to motma_operator using (true);
grant select, insert, update (replaced_at) on day_total to motma_console;
grant select on day_total to motma_operator;

create index feedback_case_merged on feedback_case (merged_into) where merged_into is not null;

-- An applicant's whole name as it is searched: no accents, lower case, no spaces. A number, so that row security lets an index
-- answer; filters for ranges of pages, as for phones (docs/decisions/0010, 0026). What `translate` has no letter for it leaves out:
-- the marks of Vietnamese, and the space.
create function name_key(name text) returns bigint
language sql immutable strict parallel safe
return ('x' || left(md5(lower(translate(normalize(name, NFD),
    U&'\0111\0110\0300\0301\0302\0303\0306\0309\031B\0323 ', 'dD') collate "C")), 16))::bit(64)::bigint;
alter table dossier add column name_key bigint generated always as (name_key(applicant_name)) stored;
create index dossier_name on dossier using brin (
    name_key int8_bloom_ops (n_distinct_per_range = 500, false_positive_rate = 0.001), id int8_minmax_ops)
    with (pages_per_range = 32, autosummarize = on);

-- migrate:down
