//! Who may do what in the private server.
//!
//! Migrations are often somebody else's: `publisher check` of a stranger's branch runs them. So
//! they, and all else, run as the role `tablecast`, which owns what is in its databases and
//! nothing beyond: it runs no programs, reads no files, makes no roles, drops no database. Only the publisher knows the
//! superuser's password, which makes databases and the extensions that the settings name.
//!
//! A data folder that an earlier publisher made, in which everything belongs to the superuser,
//! is handed over when it is started.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use postgres_protocol::escape::escape_literal;
use tokio_postgres::{Client, NoTls};

use crate::door::{OWNER, config};
use crate::error::{Answer, EmbeddedError};
use crate::files::{open_own, put, random_hex};
use crate::home::Home;

/// The door is a socket in a folder of mode 0700 (E4). Who gets to it from within, as a
/// function of the server might, is not let in as the superuser.
const RULES: &str = "\
# Written by Tablecast.
local all postgres scram-sha-256
local all tablecast trust
";

/// While nobody knows the superuser's password.
const RULES_BEFORE: &str = "\
# Written by Tablecast, which is setting up its roles.
local all postgres trust
";

/// The superuser's password, where the roles are as they should be.
pub(crate) fn password(home: &Home) -> Option<String> {
    let rules = fs::read_to_string(home.data.join("pg_hba.conf")).ok()?;
    let mut password = String::new();
    let file = open_own(&password_file(home), File::options().read(true));
    file.ok()?.read_to_string(&mut password).ok()?;
    (rules == RULES && password.len() == 64).then_some(password)
}

/// Before a start: lets us in to set up the roles, where that is still to be done.
pub(crate) fn open_for_set_up(home: &Home) -> Result<(), EmbeddedError> {
    if password(home).is_some() {
        return Ok(());
    }
    write_rules(home, RULES_BEFORE)
}

/// After a start: sets up the roles, where that is still to be done. Gives the password.
pub(crate) async fn set_up(home: &Home, folder: &Path) -> Result<String, EmbeddedError> {
    if let Some(password) = password(home) {
        return Ok(password);
    }
    let failed = |source: tokio_postgres::Error| EmbeddedError::Roles(Answer::from(source));
    let new = new_password(home)?;
    let client = connect(folder, "postgres").await.map_err(failed)?;
    let role = format!(
        "SET search_path = pg_catalog; SET log_statement = 'none'; {ROLE}; ALTER ROLE postgres PASSWORD '{new}'"
    );
    client.batch_execute(&role).await.map_err(failed)?;
    let databases = "SELECT datname FROM pg_catalog.pg_database
                     WHERE datname LIKE 'tablecast%' AND datallowconn";
    for message in client.simple_query(databases).await.map_err(failed)? {
        let tokio_postgres::SimpleQueryMessage::Row(row) = message else {
            continue;
        };
        let name = row.get(0).unwrap_or_default();
        let bounds = bounds_of(name);
        client.batch_execute(&bounds).await.map_err(failed)?;
        let within = connect(folder, name).await.map_err(failed)?;
        let handed = format!("SET search_path = pg_catalog; {HAND_OVER}");
        within.batch_execute(&handed).await.map_err(failed)?;
    }
    write_rules(home, RULES)?;
    let reload = "SELECT pg_catalog.pg_reload_conf()";
    client.batch_execute(reload).await.map_err(failed)?;
    Ok(new)
}

/// What the role may do with a database: make schemas in it, and no more, since an owner could
/// drop it. What a migration has set for the role, such as a library to load or a time to end
/// after, would outlive the migration's database: it is reset.
pub fn bounds_of(database: &str) -> String {
    let name = escape_literal(database);
    format!(
        "DO $bounds$
         DECLARE elsewhere text;
         BEGIN
             IF EXISTS (SELECT FROM pg_catalog.pg_database
                        WHERE datname = {name} AND datdba <> 'postgres'::pg_catalog.regrole) THEN
                 EXECUTE pg_catalog.format('ALTER DATABASE %I OWNER TO postgres', {name});
             END IF;
             IF NOT pg_catalog.has_database_privilege('{OWNER}', {name}, 'CREATE') THEN
                 EXECUTE pg_catalog.format('GRANT CREATE ON DATABASE %I TO {OWNER}', {name});
             END IF;
             FOR elsewhere IN
                 SELECT coalesce(' IN DATABASE ' || pg_catalog.quote_ident(database.datname), '')
                 FROM pg_catalog.pg_db_role_setting AS setting
                 LEFT JOIN pg_catalog.pg_database AS database ON database.oid = setting.setdatabase
                 WHERE setting.setrole = '{OWNER}'::pg_catalog.regrole
             LOOP
                 EXECUTE 'ALTER ROLE {OWNER}' || elsewhere || ' RESET ALL';
             END LOOP;
         END $bounds$"
    )
}

/// What the owner of a new database needs beside it: before PostgreSQL 15 the schema `public`
/// is the superuser's.
pub const OWN_PUBLIC: &str = "ALTER SCHEMA public OWNER TO tablecast";

const ROLE: &str = "
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tablecast') THEN
            CREATE ROLE tablecast;
        END IF;
    END $$;
    ALTER ROLE tablecast LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";

// REASSIGN OWNED refuses what the first superuser owns, because of the system's own objects.
// Those have numbers below 16384. An event trigger can only be a superuser's.
const HAND_OVER: &str = r"
    ALTER SCHEMA public OWNER TO tablecast;
    DO $$
    DECLARE kind text; identity text;
    BEGIN
        FOR kind, identity IN
            SELECT named.type, named.identity
            FROM (
                SELECT 'pg_namespace'::regclass AS catalog, oid, nspowner AS owner FROM pg_namespace
                UNION ALL SELECT 'pg_class'::regclass, oid, relowner FROM pg_class
                    WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
                UNION ALL SELECT 'pg_class'::regclass, oid, relowner FROM pg_class AS c
                    WHERE relkind = 'S' AND NOT EXISTS (
                        SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))
                UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc
                UNION ALL SELECT 'pg_type'::regclass, oid, typowner FROM pg_type AS t
                    WHERE typtype IN ('e', 'd', 'r')
                       OR typtype = 'c' AND EXISTS (SELECT FROM pg_class WHERE oid = t.typrelid AND relkind = 'c')
                UNION ALL SELECT 'pg_collation'::regclass, oid, collowner FROM pg_collation
                UNION ALL SELECT 'pg_conversion'::regclass, oid, conowner FROM pg_conversion
                UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner FROM pg_operator
                UNION ALL SELECT 'pg_opclass'::regclass, oid, opcowner FROM pg_opclass
                UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfowner FROM pg_opfamily
                UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictowner FROM pg_ts_dict
                UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgowner FROM pg_ts_config
                UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxowner FROM pg_statistic_ext
                UNION ALL SELECT 'pg_largeobject'::regclass, oid, lomowner FROM pg_largeobject_metadata
            ) AS owned
            CROSS JOIN LATERAL pg_identify_object(owned.catalog, owned.oid, 0) AS named
            WHERE owned.oid >= 16384 AND owned.owner = 10 AND named.identity IS NOT NULL
              AND NOT EXISTS (
                  SELECT FROM pg_depend AS d
                  WHERE d.classid = owned.catalog AND d.objid = owned.oid AND d.deptype = 'e')
              -- Whoever may replace it could wait for a superuser to fire it.
              AND NOT (owned.catalog = 'pg_proc'::regclass
                       AND owned.oid IN (SELECT evtfoid FROM pg_event_trigger))
              AND named.identity NOT LIKE 'pg\_toast%' AND named.identity NOT LIKE 'pg\_temp%'
        LOOP
            EXECUTE format('ALTER %s %s OWNER TO tablecast', kind, identity);
        END LOOP;
    END $$";

async fn connect(folder: &Path, database: &str) -> Result<Client, tokio_postgres::Error> {
    let config = config(folder, database, "postgres");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn password_file(home: &Home) -> PathBuf {
    home.beside_data(".password")
}

// Kept before it is set: one that is not set yet harms nobody.
fn new_password(home: &Home) -> Result<String, EmbeddedError> {
    let password = random_hex(32)?;
    let path = password_file(home);
    put(&path, password.as_bytes(), 0o600)?;
    Ok(password)
}

fn write_rules(home: &Home, rules: &str) -> Result<(), EmbeddedError> {
    let path = home.data.join("pg_hba.conf");
    put(&path, rules.as_bytes(), 0o600)?;
    home.give(&path)
}
