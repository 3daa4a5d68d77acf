//! Several at once.

use super::*;

#[tokio::test]
async fn a_second_publisher_joins_and_the_last_one_ends_it() {
    let project = Project::with_data();
    let ours = project.start().await;
    write_down(&ours, "ours").await;
    let postmaster = project.postmaster();

    let mut theirs = project.publisher().starts();
    theirs.writes("theirs");
    assert_eq!(project.postmaster(), postmaster, "there is one server");

    ours.stop().await.expect("leaving is no error");
    theirs.writes("theirs, alone");
    assert_eq!(project.postmaster(), postmaster, "and it is still the same");
    theirs.leaves();
    project.is_left_clean();
    project.keeps(&["ours", "theirs", "theirs, alone"]).await;
}

#[test]
fn a_joined_server_survives_the_death_of_its_starter() {
    let project = Project::with_data();
    let mut first = project.publisher().starts();
    let mut second = project.publisher().starts();
    let postmaster = project.postmaster();
    first.is_sent(Signal::SIGKILL);
    sleep(Duration::from_millis(300));
    second.writes("kept");
    assert_eq!(project.postmaster(), postmaster);

    second.is_sent(Signal::SIGKILL);
    project.is_left_clean();
    project.starts_again_with(&["kept"]);
}

#[test]
fn twenty_at_once_share_one_server() {
    let project = Project::new();
    let publishers: Vec<_> = (0..20).map(|_| project.publisher().begins()).collect();
    let mut servers = BTreeSet::new();
    let mut started = Vec::new();
    for mut publisher in publishers {
        publisher.waits_for("started");
        servers.extend(project.postmaster());
        started.push(publisher);
    }
    assert_eq!(servers.len(), 1);
    for (number, publisher) in started.iter_mut().enumerate() {
        publisher.writes(&number.to_string());
    }
    drop(started);
    project.is_left_clean();
    let numbers: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    project.starts_again_with(&numbers.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_comes_while_it_ends_gets_one_of_his_own() {
    let project = Project::with_data();
    for round in 0..5 {
        // Dropped, so that its end is still under way when the next one starts.
        let server = project.start().await;
        write_down(&server, &round.to_string()).await;
    }
    project.keeps(&["0", "1", "2", "3", "4"]).await;
    project.is_left_clean();
}

#[tokio::test]
async fn a_query_that_goes_on_does_not_keep_it_alive() {
    let project = Project::with_data();
    let server = project.start().await;
    let client = connect(&server).await;
    let query = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(600)").await });
    tokio::time::sleep(Duration::from_millis(200)).await;

    server.stop().await.expect("it stops");
    assert!(
        query.await.expect("the task lives").is_err(),
        "it was cut off"
    );
    project.is_left_clean();
}
