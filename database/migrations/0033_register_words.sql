-- migrate:up
-- What an entry of the register is found by, besides its words: every office above it and itself (`u:` and its id), and where it stands
-- among all entries (`b14:` and `b17:`, in blocks of 16,384 and 131,072). So words within a province, newest first, are one look into one
-- index, however many offices the province has and however common the words are.
create function register_places(of_agency int, of_entry bigint) returns text[] language sql stable as $$
    select array['b14:' || (of_entry >> 14), 'b17:' || (of_entry >> 17)]
        || array(select 'u:' || r.scope_id from agency_reach r where r.agency_id = of_agency) $$;
grant execute on function register_places(int, bigint) to motma_app, motma_worker;

-- The tables' owner may be no superuser, and these policies bind it too.
create policy owner on register_entry to current_user using (true);

drop index register_entry_words;
with above as (select r.agency_id, array_agg('u:' || r.scope_id) as offices from agency_reach r group by r.agency_id)
update register_entry e
   set words = ts_delete(e.words, 'a:' || e.agency_id)
            || array_to_tsvector(array['b14:' || (e.n >> 14), 'b17:' || (e.n >> 17)] || a.offices)
  from above a where a.agency_id = e.agency_id and e.words is not null;
create index register_entry_words on register_entry using gin (words) with (fastupdate = off) where listed;

-- Where the tree of offices changes, entries follow, in the same transaction.
create function register_follows_tree() returns trigger language plpgsql as $$
begin
    update register_entry e
       set words = array_to_tsvector(array(select w from unnest(tsvector_to_array(e.words)) w where w not like 'u:%')
                                     || register_places(e.agency_id, e.n))
     where e.listed and e.agency_id in (select c.agency_id from changed c);
    return null;
end $$;
create trigger register_follows_tree_in after insert on agency_reach
    referencing new table as changed for each statement execute function register_follows_tree();
create trigger register_follows_tree_out after delete on agency_reach
    referencing old table as changed for each statement execute function register_follows_tree();

-- How much a person filed of late is counted before more is filed.
create index feedback_phone_filed on feedback (phone_digest, filed_at) where phone_digest is not null;
drop index feedback_phone;

-- migrate:down
