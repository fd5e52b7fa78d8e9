-- migrate:up
-- What an officer wrote about a late dossier is kept as long as what was sent of it: the apology and its dates stay, the words go.
create policy keeper on apology to motma_keeper using (true);
create policy keeper on apology_act to motma_keeper using (true);
grant select, update (reason) on apology, apology_act to motma_keeper;
create index apology_act_reason on apology_act (at) where reason is not null;

-- migrate:down
