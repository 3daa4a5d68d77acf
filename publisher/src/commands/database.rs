//! `publisher database`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::database::DatabaseError;
use crate::error::Error;
use crate::output::Output;
use embedded_postgres::{Place, place_of, places_elsewhere, remove_orphan, reset};

/// Flags of `publisher database`.
#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    #[command(subcommand)]
    command: DatabaseCommand,
}

#[derive(Debug, Subcommand)]
enum DatabaseCommand {
    /// Say where the private PostgreSQL keeps its data
    Where(WhereArgs),
    /// Remove the private PostgreSQL's data; the next command begins with an empty database
    Reset(ResetArgs),
}

#[derive(Debug, Args)]
struct WhereArgs {
    #[command(flatten)]
    place: PlaceFlags,

    /// Also the data of other projects that lies under /var/lib/tablecast
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
struct ResetArgs {
    #[command(flatten)]
    place: PlaceFlags,

    /// Remove the data; without this flag the command only says what it would remove
    #[arg(long)]
    yes: bool,

    /// Remove the data under /var/lib/tablecast that no project names any more, instead
    #[arg(long)]
    orphans: bool,
}

#[derive(Debug, Args)]
struct PlaceFlags {
    /// The project's folder for the private PostgreSQL
    #[arg(
        long,
        value_name = "DIR",
        env = "TABLECAST_STATE",
        default_value = ".tablecast"
    )]
    state: PathBuf,

    /// Print the result as JSON on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Places {
    places: Vec<Place>,
}

/// Says where the data is, or removes it.
pub(crate) async fn run(args: DatabaseArgs) -> Result<(), Error> {
    match args.command {
        DatabaseCommand::Where(args) => tell(&args),
        DatabaseCommand::Reset(args) if args.orphans => reset_orphans(&args),
        DatabaseCommand::Reset(args) => reset_own(&args).await,
    }
}

fn tell(args: &WhereArgs) -> Result<(), Error> {
    let own = place_of(&args.place.state).map_err(DatabaseError::from)?;
    let mut places = vec![own];
    if args.all {
        let others = places_elsewhere().into_iter();
        places.extend(
            others
                .filter(|place| place.data != places[0].data)
                .collect::<Vec<_>>(),
        );
    }
    print(&args.place, places, "")
}

async fn reset_own(args: &ResetArgs) -> Result<(), Error> {
    let state = &args.place.state;
    let place = place_of(state).map_err(DatabaseError::from)?;
    if place.exists && !args.yes {
        return Err(only_by_yes(&[place]));
    }
    let place = reset(state).await.map_err(DatabaseError::from)?;
    let did = if place.exists {
        "removed: "
    } else {
        "nothing to remove: "
    };
    print(&args.place, vec![place], did)
}

fn reset_orphans(args: &ResetArgs) -> Result<(), Error> {
    let mut orphans = places_elsewhere();
    orphans.retain(|place| place.project.is_none());
    if !orphans.is_empty() && !args.yes {
        return Err(only_by_yes(&orphans));
    }
    for orphan in &orphans {
        remove_orphan(orphan).map_err(DatabaseError::from)?;
    }
    print(&args.place, orphans, "removed: ")
}

fn only_by_yes(places: &[Place]) -> Error {
    let data: Vec<String> = places
        .iter()
        .map(|place| place.data.display().to_string())
        .collect();
    Error::Usage(format!(
        "this would remove {}, with all rows that are in no file; if that is meant, add --yes",
        data.join(" and ")
    ))
}

fn print(flags: &PlaceFlags, places: Vec<Place>, did: &str) -> Result<(), Error> {
    let lines = places.iter().map(|place| {
        let state = match (place.exists, place.in_use) {
            (false, _) => "not made yet",
            (true, true) => "in use",
            (true, false) => "not in use",
        };
        let project = match &place.project {
            Some(project) => format!("of {}", project.display()),
            None => "of a project that is gone".to_owned(),
        };
        if did.is_empty() {
            format!("{} {project}: {state}\n", place.data.display())
        } else {
            format!("{did}{} {project}\n", place.data.display())
        }
    });
    let text: String = lines.collect();
    let output = Output {
        json: flags.json,
        quiet: false,
    };
    output.answer(&Places { places }, &text)
}
