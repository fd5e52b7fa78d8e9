-- migrate:up
-- A province's system owns what it sends; the office that receives or resolves a dossier works on it all the same. Its officers see
-- it, as permission follows competence (domain: NĐ 118/2025). Agencies' keys see what they own, as before.
create policy competent on dossier for select to motma_console using (
    not test
    and (receiving_agency in (select r.agency_id from agency_reach r
                               where r.scope_id = nullif(current_setting('motma.scope', true), '')::int)
         or resolving_agency in (select r.agency_id from agency_reach r
                                  where r.scope_id = nullif(current_setting('motma.scope', true), '')::int)));
create policy competent on dossier_event for select to motma_console using (
    exists (select from dossier d where d.id = dossier_id));
create policy competent on dossier_code for select to motma_console using (
    exists (select from dossier d where d.id = dossier_id));

-- migrate:down
