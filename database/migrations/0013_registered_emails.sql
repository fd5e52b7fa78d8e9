-- migrate:up
-- The e-mail address an agency gave with a dossier is told by duty, as the phone is. It is a subscription that the agency made:
-- a later statement of facts with another address replaces it, and a refusal by its owner stays.
alter table subscription add column by_duty boolean not null default false;

grant insert, delete on subscription to motma_app;

-- migrate:down
