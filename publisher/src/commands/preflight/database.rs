//! Whether the database is what the migrations and the files make it.

use super::super::migrate::migrate_database;
use super::super::open_database;
use super::super::seed::{SeedFlags, read_source};
use super::{counted, listed, refused};
use crate::config::Config;
use crate::database::{
    self, Database, PlanOptions, load_migrations, pending_migrations, read_shape,
};
use crate::error::Error;
use crate::flags::Common;
use crate::preflight::{Check, Shape, differences};

/// `migrations`, `catalog` and `seed`.
pub(super) async fn checks(config: &Config, common: &Common) -> Vec<Check> {
    let mut database = match open_database(config, common, "preflight").await {
        Ok(database) => database,
        Err(error) => {
            let skipped = |check| {
                Check::skipped(check, "there is no database to look at", "see `migrations`")
            };
            return vec![
                refused("migrations", &error),
                skipped("catalog"),
                skipped("seed"),
            ];
        }
    };
    let checks = vec![
        migrations(&mut database, config).await,
        catalog(&mut database, config, common).await,
        seed(&mut database, config, common).await,
    ];
    match database.close().await {
        Ok(()) => checks,
        Err(error) => vec![refused("migrations", &error.into())],
    }
}

const NO_MIGRATIONS: &str = "the migrations belong to somebody else: there is no such folder";

async fn migrations(database: &mut Database, config: &Config) -> Check {
    if !config.sql.exists() {
        return Check::skipped("migrations", NO_MIGRATIONS, "name it with --sql");
    }
    let found = async {
        let migrations = load_migrations(&config.sql)?;
        let pending = pending_migrations(database.client(), &migrations).await?;
        Ok::<_, Error>((migrations.len(), pending))
    };
    match found.await {
        Err(error) => refused("migrations", &error),
        Ok((all, pending)) if pending.is_empty() => Check::passed(
            "migrations",
            format!("{} applied", counted(all as u64, "migration")),
        ),
        Ok((_, pending)) => Check::failed(
            "migrations",
            listed(
                &format!("{} not applied", counted(pending.len() as u64, "migration")),
                &pending,
            ),
            "`publisher migrate` applies them",
        ),
    }
}

async fn catalog(database: &mut Database, config: &Config, common: &Common) -> Check {
    if !config.sql.exists() {
        return Check::skipped("catalog", NO_MIGRATIONS, "name it with --sql");
    }
    let shapes = async {
        let actual = read_shape(database.client(), config).await?;
        let expected = shape_of_migrations(config, common).await?;
        Ok::<_, Error>((expected, actual))
    };
    match shapes.await {
        Err(error) => refused("catalog", &error),
        Ok((expected, actual)) => {
            let found = differences(&expected, &actual);
            let objects = counted(expected.len() as u64, "object");
            if found.is_empty() {
                Check::passed("catalog", format!("{objects}, as the migrations make them"))
            } else {
                let differences = counted(found.len() as u64, "difference");
                Check::failed(
                    "catalog",
                    listed(
                        &format!("{differences} from what the migrations make"),
                        &found,
                    ),
                    "undo by hand what was done by hand, or write it as a migration",
                )
            }
        }
    }
}

async fn shape_of_migrations(config: &Config, common: &Common) -> Result<Shape, Error> {
    let mut scratch = Database::open_scratch(config, "preflight").await?;
    let quiet = Common {
        quiet: true,
        ..common.clone()
    };
    let shape = async {
        migrate_database(&mut scratch, config, &quiet).await?;
        Ok(read_shape(scratch.client(), config).await?)
    };
    let shape = shape.await;
    scratch.close_scratch(config).await?;
    shape
}

async fn seed(database: &mut Database, config: &Config, common: &Common) -> Check {
    let flags = SeedFlags::default();
    let plan = async {
        let source = read_source(database, config, common, &flags, "nothing was planned").await?;
        let options = PlanOptions {
            allow_deactivation: flags.allowed_deactivation(),
            limit: 0,
        };
        let plan = database::plan(
            database.client(),
            config,
            &source.schema,
            &source.tables,
            &source.unchanged,
            &options,
            common.progress(),
        );
        Ok::<_, Error>(plan.await?)
    };
    match plan.await {
        Err(error) => refused("seed", &error),
        Ok(plan) if !plan.problems.is_empty() => {
            let lines: Vec<String> = plan.problems.iter().map(ToString::to_string).collect();
            let problems = counted(lines.len() as u64, "problem");
            Check::failed(
                "seed",
                listed(&format!("it would be refused: {problems}"), &lines),
                "`publisher plan` shows what a seed would change",
            )
        }
        Ok(plan) => match plan.totals.written() {
            0 => Check::passed(
                "seed",
                format!("would change nothing at {}", plan.reference_version),
            ),
            rows => Check::failed(
                "seed",
                format!("would write {}", counted(rows, "row")),
                "`publisher run` seeds and publishes them, `publisher plan` shows them",
            ),
        },
    }
}
