-- migrate:up
-- Access tokens that a provider gives for a refresh token which is good for one use only (Zalo): one row for each account, shared
-- by all processes.
--
-- `refresh_digest` is the fence: whoever holds the successor of the token stored here may store it, nobody else. `begun_at` is
-- written before the provider is asked; a row left with it says that a successor may have been issued and lost.
-- `given_digests` are all refresh tokens the settings ever gave: one not among them was pasted by a person and wins.
create table provider_token (
    account text primary key,
    refresh_sealed bytea not null,
    refresh_digest bytea not null,
    given_digests bytea[] not null,
    access_sealed bytea,
    access_digest bytea,
    renew_at timestamptz,
    expires_at timestamptz,
    renewed_at timestamptz,
    begun_at timestamptz,
    refused_at timestamptz,
    refusal text
);

grant select, insert, update on provider_token to motma_worker;

-- migrate:down
