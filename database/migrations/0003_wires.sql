-- migrate:up
-- What chats have beside words: joining and leaving, a phone the platform vouches for, buttons under a message.

alter table inbound add column kind text not null default 'text';
alter table message add column choices_sealed bytea;

-- migrate:down
