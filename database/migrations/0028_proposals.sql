-- migrate:up
-- Feedback and proposals apart: an officer who classifies says which it is, and figures count the second.
grant update (kind) on feedback to motma_app;
alter table register_figure add column cases_proposals bigint not null default 0;

-- migrate:down
