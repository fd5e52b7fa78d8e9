-- migrate:up
-- Officers: who they are, what they may do and where, their sessions, and the record of what they did.
--
-- Roles, besides those of 0001; neither owns anything.
--   motma_gate     signing in: finds an account by its address and a session by its digest; knows nothing of dossiers
--   motma_console  an officer: what motma_app may, and the administration of the tenant set for the transaction
do $$
declare
    role_name text;
begin
    foreach role_name in array array['motma_gate', 'motma_console'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I nologin nosuperuser nobypassrls inherit', role_name);
        end if;
        if not pg_has_role(current_user, role_name, 'member') then
            execute format('grant %I to current_user', role_name);
        end if;
    end loop;
    grant motma_app to motma_console;
end $$;

-- `version` grows with every change, for optimistic locking. `password_given`: somebody else chose it, so it must be changed.
-- `totp_step`: the newest step whose code was used; a code is good once.
create table account (
    id bigint generated always as identity primary key,
    email text not null unique check (email = lower(email) and length(email) between 3 and 254),
    name text not null default '',
    agency_id int not null references agency,
    password_hash text,
    password_given boolean not null default false,
    totp_sealed bytea,
    totp_step bigint not null default 0,
    issuer text,
    subject text,
    version int not null default 1,
    created_at timestamptz not null default now(),
    signed_in_at timestamptz,
    disabled_at timestamptz,
    unique (issuer, subject)
);
create index account_agency on account (agency_id, id);

-- What an account may do: a role at an agency and all below it, in one sector or (empty) in all, for a time. `delegated_by`: on
-- behalf of that colleague, whose own right it cannot outlive.
create table account_role (
    id bigint generated always as identity primary key,
    account_id bigint not null references account,
    role text not null check (role in ('clerk', 'handler', 'approver', 'head', 'controller', 'operator', 'auditor', 'administrator')),
    agency_id int not null references agency,
    sector text not null default '',
    valid_from date not null,
    valid_to date,
    delegated_by bigint references account,
    given_by bigint references account,
    given_at timestamptz not null default now(),
    ended_at timestamptz,
    check (valid_to is null or valid_to >= valid_from)
);
create index account_role_account on account_role (account_id) where ended_at is null;
create index account_role_agency on account_role (agency_id);

-- A passkey (WebAuthn). The public key is no secret; the id is what the authenticator is asked for.
create table passkey (
    credential_id bytea primary key,
    account_id bigint not null references account,
    credential_data bytea not null,
    sign_count bigint not null default 0,
    name text not null,
    created_at timestamptz not null default now(),
    used_at timestamptz
);
create index passkey_account on passkey (account_id);

-- `digest` is of the cookie, which nobody but the browser has. `agency_id`: the office the officer works for at the moment.
-- `proofs` are what was shown, `complete` whether that was enough. `proven_at`: when last; step-up asks again after a while.
-- `browser_digest` binds the session to the program it began in.
create table session (
    digest bytea primary key,
    id bigint generated always as identity unique,
    account_id bigint not null references account,
    agency_id int references agency,
    proofs text[] not null,
    complete boolean not null,
    began_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    ends_at timestamptz not null,
    proven_at timestamptz not null default now(),
    device text not null,
    browser_digest bytea not null,
    ended_at timestamptz
);
create index session_account on session (account_id, began_at);
create index session_ends on session (ends_at);

-- What officers type and have not sent yet, sealed.
create table draft (
    account_id bigint not null references account,
    form text not null,
    fields_sealed bytea not null,
    saved_at timestamptz not null default now(),
    primary key (account_id, form)
);

-- The record of what officers did. Each row's digest covers the row and the `previous` digest, under a key that the database does not
-- have (console.audit). The head is the newest row: who writes, waits for the one before.
create table audit (
    number bigint primary key,
    at timestamptz not null,
    account_id bigint,
    agency_id int,
    action text not null,
    subject text,
    facts text not null,
    key_id smallint not null,
    previous bytea not null,
    digest bytea not null
);
create index audit_agency on audit (agency_id, number);
create index audit_subject on audit (subject, number) where subject is not null;
create table audit_head (
    one boolean primary key default true check (one),
    number bigint not null default 0,
    digest bytea not null default '\x'
);
insert into audit_head default values;

do $$
declare
    console_table text;
begin
    foreach console_table in array array['account', 'account_role', 'passkey', 'session', 'draft', 'audit', 'audit_head',
                                         'api_key', 'status_mapping', 'notice_rule', 'notice_ladder', 'notice_text'] loop
        execute format('alter table %I enable row level security', console_table);
        execute format('alter table %I force row level security', console_table);
    end loop;
    foreach console_table in array array['account', 'account_role', 'passkey', 'session'] loop
        execute format('create policy gate on %I to motma_gate, motma_operator using (true)', console_table);
    end loop;
    -- Everybody may read the rules that are data; who may change them is below.
    foreach console_table in array array['status_mapping', 'notice_rule', 'notice_ladder', 'notice_text'] loop
        execute format('create policy known on %I for select to motma_app, motma_public, motma_citizen, motma_worker using (true)',
                       console_table);
        execute format('create policy operator on %I to motma_operator using (true)', console_table);
    end loop;
    foreach console_table in array array['account', 'account_role', 'api_key', 'notice_rule', 'notice_ladder', 'notice_text'] loop
        execute format($policy$create policy officer on %I to motma_console using (
            agency_id in (select r.agency_id from agency_reach r
                           where r.scope_id = nullif(current_setting('motma.scope', true), '')::int))$policy$, console_table);
    end loop;
end $$;
create policy officer on status_mapping to motma_console using (
    sender_agency in (select r.agency_id from agency_reach r where r.scope_id = nullif(current_setting('motma.scope', true), '')::int));
create policy own on account to motma_console using (id = nullif(current_setting('motma.account', true), '')::bigint);
-- Sessions and passkeys follow their account, which the policy on account limits.
create policy officer on session to motma_console using (exists (select from account a where a.id = account_id));
create policy officer on passkey to motma_console using (exists (select from account a where a.id = account_id));
create policy own on draft to motma_console using (account_id = nullif(current_setting('motma.account', true), '')::bigint);
-- Anybody who acts must be able to say so; nobody can take it back. Reading is for the office's own part.
create policy note on audit for insert to motma_app, motma_gate, motma_operator with check (true);
create policy officer on audit for select to motma_console using (
    agency_id in (select r.agency_id from agency_reach r where r.scope_id = nullif(current_setting('motma.scope', true), '')::int));
create policy operator on audit for select to motma_operator using (true);
create policy head on audit_head to motma_app, motma_gate, motma_operator using (true);

grant usage on schema public to motma_gate, motma_console;
grant select on agency, agency_reach to motma_gate;
grant select, insert, update on account, session, passkey to motma_gate;
grant delete on passkey, session to motma_gate;
grant select on account_role to motma_gate;
grant select, insert, update on account, account_role to motma_console, motma_operator;
grant select, update on session to motma_console, motma_operator;
grant select, delete on passkey to motma_console, motma_operator;
grant select, insert, update, delete on draft to motma_console;
grant insert on audit to motma_app, motma_gate, motma_operator;
grant select on audit to motma_console, motma_operator;
grant select, update on audit_head to motma_app, motma_gate, motma_operator;

grant select, insert, update on api_key to motma_console;
grant insert, update, delete on status_mapping, notice_rule, notice_ladder to motma_console;
grant insert on notice_text to motma_console;
grant select on opt_out, operation_turn to motma_console;

-- migrate:down
