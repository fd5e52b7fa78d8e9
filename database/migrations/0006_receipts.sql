-- migrate:up
-- Receipts: slips whose QR proves a right to their dossier, until somebody says that they no longer do.

-- Every receipt of the dossier issued before this moment is void (a slip was lost, or given to the wrong person).
create table receipt_revocation (
    dossier_id bigint primary key,
    owner_agency int not null,
    void_before timestamptz not null,
    revoked_at timestamptz not null default now()
);

-- A look-up secret made by us for a slip. It stands beside the one of the dossier's facts, which a later statement of facts
-- replaces as a whole.
create table receipt_secret (
    dossier_id bigint primary key,
    owner_agency int not null,
    secret_digest bytea not null,
    made_at timestamptz not null default now()
);

do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array['receipt_revocation', 'receipt_secret'] loop
        execute format('alter table %I enable row level security', tenant_table);
        execute format('alter table %I force row level security', tenant_table);
        execute format($policy$create policy tenant on %I to motma_app using (
            owner_agency in (select r.agency_id from agency_reach r
                              where r.scope_id = nullif(current_setting('motma.scope', true), '')::int))$policy$, tenant_table);
        execute format('create policy citizen on %I for select to motma_citizen using (true)', tenant_table);
    end loop;
end $$;

grant select, insert, update on receipt_revocation, receipt_secret to motma_app;
grant select on receipt_revocation, receipt_secret to motma_citizen;

-- The service has verified the token and says for which code it was issued, and when.
create policy receipt on dossier for select to motma_citizen using (
    not test
    and code = nullif(current_setting('motma.proof_receipt', true), '')
    and not exists (select from receipt_revocation v
                     where v.dossier_id = id
                       and v.void_before > nullif(current_setting('motma.proof_receipt_issued', true), '')::timestamptz));
create policy issued_secret on dossier for select to motma_citizen using (
    not test
    and exists (select from receipt_secret s
                 where s.dossier_id = id
                   and s.secret_digest = decode(nullif(current_setting('motma.proof_secret', true), ''), 'hex')));

-- migrate:down
