-- migrate:up
-- What an office's own messages cost, for its head (the policy of 0015 shows the own part only); officers' own passkeys.
grant select on message_cost to motma_console;
grant insert on passkey to motma_console;

-- migrate:down
