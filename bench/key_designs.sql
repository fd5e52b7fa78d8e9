-- Two ways to key the same data: the experiment behind docs/decisions/0003, run by key_design.py.

-- A: the code itself is the key, everywhere. Hash partitions, so that no partition grows without end.
create schema by_code;
create table by_code.dossier (
    code text not null,
    version int not null,
    owner_agency int not null,
    receiving_agency int not null,
    resolving_agency int,
    procedure_id int,
    status smallint not null,
    filing_channel smallint,
    test boolean not null,
    status_at timestamptz not null,
    facts_at timestamptz,
    received_at timestamptz,
    due_at timestamptz,
    finished_at timestamptz,
    delivered_at timestamptz,
    recorded_at timestamptz not null default now(),
    facts_digest bigint,
    reference text,
    applicant_name text,
    applicant_kind text,
    phone_digest bytea,
    phone_tail_digest bytea,
    secret_digest bytea,
    phone_sealed bytea,
    primary key (code)
) partition by hash (code);
create index on by_code.dossier (owner_agency, reference) where reference is not null;
create table by_code.dossier_event (
    code text not null,
    event_key uuid not null,
    at timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    owner_agency int not null,
    status smallint not null,
    event_id text not null,
    office text,
    primary key (code, event_key)
) partition by hash (code);
create index on by_code.dossier_event (owner_agency, recorded_at, code);
do $$
begin
    for n in 0 .. 15 loop
        execute format('create table by_code.dossier_%s partition of by_code.dossier
                        for values with (modulus 16, remainder %s) with (fillfactor = 85)', n, n);
        execute format('create table by_code.dossier_event_%s partition of by_code.dossier_event
                        for values with (modulus 16, remainder %s)', n, n);
    end loop;
end $$;

-- B: a number given in order of arrival is the key; the code stands in a directory, written once per dossier.
create schema by_number;
create table by_number.dossier_code (
    code text not null,
    dossier_id bigint not null,
    owner_agency int not null,
    primary key (code) include (dossier_id)
);
create table by_number.dossier (id bigint not null, like by_code.dossier, primary key (id)) partition by range (id);
create index on by_number.dossier (owner_agency, reference) where reference is not null;
create table by_number.dossier_event (
    dossier_id bigint not null,
    event_key uuid not null,
    at timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    owner_agency int not null,
    status smallint not null,
    event_id text not null,
    office text,
    primary key (dossier_id, event_key)
) partition by range (dossier_id);
create index on by_number.dossier_event (owner_agency, recorded_at, dossier_id);
create table by_number.dossier_0 partition of by_number.dossier for values from (0) to (16777216) with (fillfactor = 85);
create table by_number.dossier_event_0 partition of by_number.dossier_event for values from (0) to (16777216);

-- Dossiers first + 1 to last, as they came in: codes by office and day (bench/fill.py), one statement of facts each.
create function codes(first bigint, last bigint) returns table (id bigint, code text)
language sql stable as $$
    select n + 1,
           'H' || lpad((unit % 34 + 1)::text, 2, '0') || '.' || (unit / 34 + 1)
               || '-' || to_char(date '2024-01-01' + (n / 100000)::int, 'YYMMDD')
               || '-' || lpad((n % 100000 / 3400 + 1)::text, 4, '0')
      from generate_series(first, last - 1) as n
     cross join lateral (select n % 100000 % 3400 * 1237 % 3400 as unit) as units
$$;
create function facts(first bigint, last bigint) returns setof by_number.dossier
language sql stable as $$
    select c.id, c.code, 1, 1 + (c.id % 300)::int, 1 + (c.id % 300)::int, 1 + (c.id % 300)::int, 1 + (c.id % 40)::int,
           2::smallint, (1 + c.id % 3)::smallint, false, at, at, at, at + interval '35 days', null::timestamptz,
           null::timestamptz, clock_timestamp(), hashtextextended(mark, 0), 'MC-' || lpad(c.id::text, 8, '0'),
           'Nguyễn Văn An', 'citizen', decode(mark, 'hex'), decode(md5(mark), 'hex'), decode(md5(mark || 's'), 'hex'),
           decode(mark || md5(mark || 'p') || substr(mark, 1, 18), 'hex')
      from codes(first, last) as c
     cross join lateral (select now() - interval '40 days' + c.id % 86400 * interval '20 seconds' as at,
                                md5(c.id::text) as mark) as made
$$;
create function by_code.add(first bigint, last bigint) returns void
language sql as $$
    insert into by_code.dossier
    select code, version, owner_agency, receiving_agency, resolving_agency, procedure_id, status, filing_channel, test,
           status_at, facts_at, received_at, due_at, finished_at, delivered_at, recorded_at, facts_digest, reference,
           applicant_name, applicant_kind, phone_digest, phone_tail_digest, secret_digest, phone_sealed
      from facts(first, last);
    insert into by_code.dossier_event
    select code, md5(id::text)::uuid, now(), clock_timestamp(), 1 + (id % 300)::int, 2, 'facts:2:' || now(), null
      from codes(first, last)
$$;
create function by_number.add(first bigint, last bigint) returns void
language sql as $$
    insert into by_number.dossier_code select code, id, 1 + (id % 300)::int from codes(first, last);
    insert into by_number.dossier select * from facts(first, last);
    insert into by_number.dossier_event
    select id, md5(id::text)::uuid, now(), clock_timestamp(), 1 + (id % 300)::int, 2, 'facts:2:' || now(), null
      from codes(first, last)
$$;
