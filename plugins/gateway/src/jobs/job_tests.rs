//! The job against every order of events.

use proptest::prelude::*;

use super::*;

fn job(items: usize, concurrency: usize) -> Job {
    let order = Order {
        agent: "worker@test".to_owned(),
        performative: caxton_acl::Performative::Request,
        protocol: None,
        class: 0,
        timeout_ms: 1000,
        concurrency,
        ttl_ms: 500,
        digest: 0,
    };
    let task = |index: usize| Task {
        key: index.to_string(),
        content: Payload::from(vec![0; 3]),
        parameters: Vec::new(),
    };
    Job::new(Uid::from_u128(1), order, (0..items).map(task).collect(), 1000)
}

fn end(state: State) -> Ended {
    Ended { state, act: None, content: Payload::from(vec![1; 5]), code: None, conversation_id: None }
}

/// Runs all that may run, each to this end.
fn run(job: &mut Job, state: State) {
    while let Some(attempt) = job.next() {
        job.ended(attempt.index, attempt.number, end(state), 2000);
    }
}

#[test]
fn items_run_as_many_at_a_time_as_may() {
    let mut job = job(3, 2);
    let first = job.next().unwrap();
    assert_eq!((job.next().map(|next| next.index), job.next().map(|next| next.index)), (Some(1), None));
    job.ended(first.index, first.number, end(State::Done), 2000);
    assert_eq!(job.next().map(|next| next.index), Some(2));
}

#[test]
fn how_its_items_ended_is_how_the_job_ended() {
    for (states, phase) in [
        ([State::Done, State::Done], Phase::Completed),
        ([State::Done, State::Failed], Phase::Partial),
        ([State::Failed, State::Failed], Phase::Failed),
        ([State::Failed, State::Cancelled], Phase::Cancelled),
    ] {
        let mut job = job(2, 1);
        for state in states {
            let attempt = job.next().unwrap();
            assert_eq!(job.phase(), Phase::Running);
            job.ended(attempt.index, attempt.number, end(state), 2000);
        }
        assert_eq!((job.phase(), job.expires_ms()), (phase, Some(2500)));
    }
}

#[test]
fn cancelling_ends_what_waits_and_a_result_that_crosses_it_wins() {
    let mut job = job(3, 1);
    let attempt = job.next().unwrap();
    assert!(job.cancel(1500));
    assert_eq!(
        (job.phase(), job.count(State::Cancelled), job.next().is_none()),
        (Phase::Cancelling, 2, true)
    );
    assert!(!job.resume());
    job.ended(attempt.index, attempt.number, end(State::Done), 2000);
    assert_eq!((job.phase(), job.count(State::Done)), (Phase::Cancelled, 1));
    assert!(!job.cancel(2000));
}

#[test]
fn resuming_runs_again_what_failed_and_replaces_its_result() {
    let mut job = job(2, 1);
    let attempt = job.next().unwrap();
    job.ended(attempt.index, attempt.number, end(State::Done), 2000);
    run(&mut job, State::Failed);
    assert!(job.resume());
    assert_eq!((job.phase(), job.count(State::Queued), job.expires_ms()), (Phase::Running, 1, None));
    run(&mut job, State::Done);
    assert_eq!(job.phase(), Phase::Completed);
    let ends: Vec<(u64, usize, u32)> =
        job.ends(0).map(|(sequence, index, item, _)| (sequence, index, item.attempt)).collect();
    assert_eq!(ends, [(1, 0, 1), (3, 1, 2)]);
    assert_eq!(job.bytes(), 2 * 4 + 2 * 5);
}

#[test]
fn an_attempt_that_is_not_under_way_changes_nothing() {
    let mut job = job(1, 1);
    let attempt = job.next().unwrap();
    job.ended(attempt.index, attempt.number + 1, end(State::Done), 2000);
    job.ended(7, 1, end(State::Done), 2000);
    assert_eq!(job.count(State::Running), 1);
    job.ended(attempt.index, attempt.number, end(State::Done), 2000);
    let version = job.version;
    job.ended(attempt.index, attempt.number, end(State::Failed), 2000);
    assert_eq!((job.version, job.phase()), (version, Phase::Completed));
}

/// What may happen to a job.
#[derive(Clone, Debug)]
enum Step {
    Next,
    /// The attempt under way at this place ends so.
    End(usize, State),
    Cancel,
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    let state = prop_oneof![Just(State::Done), Just(State::Failed), Just(State::Cancelled)];
    prop_oneof![
        4 => Just(Step::Next),
        4 => (any::<usize>(), state).prop_map(|(place, state)| Step::End(place, state)),
        1 => Just(Step::Cancel),
        1 => Just(Step::Resume),
    ]
}

proptest! {
    #[test]
    fn every_item_is_in_one_state_and_every_end_is_listed_once(
        items in 1..6_usize, concurrency in 1..4_usize, steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut job = job(items, concurrency);
        let mut under_way: Vec<Attempt> = Vec::new();
        let mut done = 0;
        for step in steps {
            let version = job.version;
            match step {
                Step::Next => under_way.extend(job.next()),
                Step::End(place, state) if !under_way.is_empty() => {
                    let attempt = under_way.remove(place % under_way.len());
                    job.ended(attempt.index, attempt.number, end(state), 2000);
                }
                Step::End(..) => {}
                Step::Cancel => drop(job.cancel(2000).then_some(())),
                Step::Resume => drop(job.resume().then_some(())),
            }
            prop_assert!(job.version >= version);
            prop_assert_eq!(State::ALL.iter().map(|state| job.count(*state)).sum::<usize>(), items);
            prop_assert_eq!(job.count(State::Running), under_way.len());
            prop_assert!(under_way.len() <= concurrency);
            let open = job.count(State::Queued) + job.count(State::Running);
            prop_assert_eq!(job.is_over(), open == 0);
            // What is done stays done.
            prop_assert!(job.count(State::Done) >= done);
            done = job.count(State::Done);
            let ends: Vec<(u64, usize)> = job.ends(0).map(|(sequence, index, ..)| (sequence, index)).collect();
            prop_assert!(ends.windows(2).all(|pair| pair[0].0 < pair[1].0));
            let listed: std::collections::BTreeSet<usize> = ends.iter().map(|(_, index)| *index).collect();
            prop_assert_eq!(listed.len(), ends.len());
            prop_assert!(listed.len() >= items - open);
            prop_assert_eq!(job.bytes(), items * 4 + job.ends(0).map(|(.., end)| end.content.len()).sum::<usize>());
        }
    }
}
