-- migrate:up
-- What a notice is about, when it may go out, and what its person has seen meanwhile.

-- `event` is what happened (notifications.kinds), `version` the dossier's when the notice was queued, `due_before` the due date
-- that a new one took the place of. `held_at`: put off because its person had as many notices as a day may bring; what was held
-- goes out together in one message, and `told_by` is that message.
alter table message add column event text;
alter table message add column version int;
alter table message add column due_before timestamptz;
alter table message add column held_at timestamptz;
alter table message add column told_by bigint;

-- The newest version of a dossier that a person was shown, in whatever channel: what has been seen is not told again.
create table shown (
    contact_digest bytea not null,
    dossier_id bigint not null,
    version int not null,
    shown_at timestamptz not null default now(),
    primary key (contact_digest, dossier_id)
);

-- Whether a kind of change is told at all. Null means every agency, every procedure; a rule for a procedure goes before one for
-- all, then the nearest agency's before those above it. Where no rule fits, the code decides (notifications.kinds.SILENT).
create table notice_rule (
    id int generated always as identity primary key,
    event text not null,
    agency_id int references agency,
    procedure_id int references procedure,
    told boolean not null,
    changed_at timestamptz not null default now(),
    unique nulls not distinct (event, agency_id, procedure_id)
);

grant select, insert, update, delete on shown to motma_worker;
grant select on notice_rule to motma_app, motma_worker, motma_operator;
grant insert, update, delete on notice_rule to motma_operator;
-- Notices of a day that comes are queued by nobody's system: the worker addresses the registered phone itself.
grant select (phone_sealed) on dossier to motma_worker;

-- migrate:down
