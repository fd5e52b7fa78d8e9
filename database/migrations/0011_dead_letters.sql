-- migrate:up
-- What was given up is few, and an operator lists it.
create index message_dead on message (id) where state in (63, 70);

-- migrate:down
