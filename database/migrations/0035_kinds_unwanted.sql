-- migrate:up
-- Which kinds of notice (notifications.kinds) somebody does not wish of one dossier; of all others it is told.
alter table subscription add column unwanted text[] not null default '{}' check (cardinality(unwanted) <= 20);
alter table consent_act drop constraint consent_act_act_check,
    add constraint consent_act_act_check check (act in ('follow', 'follow_less', 'mute', 'stop_all', 'resume'));

-- migrate:down
