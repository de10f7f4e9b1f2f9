-- Run once, when the database is made: the login of the product, which owns its database and may make the factories'
-- roles, and is no superuser. The superuser's own password is another, which no container of ours is given.
\if :{?login}
\else
  \set login factorypulse
\endif
\set password `cat "${LOGIN_PASSWORD_FILE:-/run/secrets/postgres_password}"`
CREATE ROLE :"login" LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE :"login" OWNER :"login";
