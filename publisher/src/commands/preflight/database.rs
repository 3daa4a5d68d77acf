//! Whether the database is what the migrations and the files make it.

use super::super::context::Context;
use super::super::source::{SeedFlags, read_source};
use super::{listed, refused};
use crate::config::Config;
use crate::database::{PlanOptions, load_migrations, pending_migrations, plan, read_shape};
use crate::error::Error;
use crate::output::Output;
use crate::preflight::{Check, differences};
use crate::words::counted;

/// `migrations`, `catalog` and `seed`.
pub(super) async fn checks(config: &Config, output: Output) -> Vec<Check> {
    let mut context = match Context::open(config.clone(), output, "preflight").await {
        Ok(context) => context,
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
        migrations(&mut context).await,
        catalog(&mut context).await,
        seed(&mut context).await,
    ];
    match context.close().await {
        Ok(()) => checks,
        Err(error) => vec![refused("migrations", &error)],
    }
}

// Another program may make the tables; then nothing here knows what they should be.
fn without_migrations(check: &'static str, context: &Context) -> Option<Check> {
    let folder = &context.config.sql;
    (!folder.exists()).then(|| {
        let detail = format!("there is no folder {}", folder.display());
        Check::skipped(
            check,
            detail,
            "name the migrations with --sql, if they are yours",
        )
    })
}

async fn migrations(context: &mut Context) -> Check {
    if let Some(skipped) = without_migrations("migrations", context) {
        return skipped;
    }
    let found = async {
        let migrations = load_migrations(&context.config.sql)?;
        let pending = pending_migrations(context.database.client(), &migrations).await?;
        Ok::<_, Error>((migrations.len(), pending))
    };
    match found.await {
        Err(error) => refused("migrations", &error),
        Ok((all, pending)) if pending.is_empty() => Check::passed(
            "migrations",
            format!("{} applied", counted(all, "migration")),
        ),
        Ok((_, pending)) => Check::failed(
            "migrations",
            listed(
                &format!("{} not applied", counted(pending.len(), "migration")),
                &pending,
            ),
            "`publisher migrate` applies them",
        ),
    }
}

async fn catalog(context: &mut Context) -> Check {
    if let Some(skipped) = without_migrations("catalog", context) {
        return skipped;
    }
    let shapes = async {
        let Context {
            config,
            output,
            database,
        } = context;
        let actual = read_shape(database.client(), config).await?;
        let made = async |context: &mut Context| {
            Ok(read_shape(context.database.client(), &context.config).await?)
        };
        let expected = Context::in_scratch(config.clone(), *output, "preflight", made).await?;
        Ok::<_, Error>((expected, actual))
    };
    match shapes.await {
        Err(error) => refused("catalog", &error),
        Ok((expected, actual)) => {
            let found = differences(&expected, &actual);
            let objects = counted(expected.len(), "object");
            if found.is_empty() {
                Check::passed("catalog", format!("{objects}, as the migrations make them"))
            } else {
                let differences = counted(found.len(), "difference");
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

async fn seed(context: &mut Context) -> Check {
    let flags = SeedFlags::default();
    let planned = async {
        let source = read_source(context, &flags, "nothing was planned").await?;
        let options = PlanOptions {
            allow_deactivation: flags.allowed_deactivation(),
            limit: 0,
        };
        let input = source.input(&context.config, context.output.progress());
        let client = context.database.client();
        Ok::<_, Error>(plan(client, input, &source.unchanged, &options).await?)
    };
    match planned.await {
        Err(error) => refused("seed", &error),
        Ok(plan) if !plan.problems.is_empty() => {
            let lines: Vec<String> = plan.problems.iter().map(ToString::to_string).collect();
            let problems = counted(lines.len(), "problem");
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
