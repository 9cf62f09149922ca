use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits { tokens: 100, wait: Duration::from_millis(5), cost: 1 };
const SINGLE: Limits = Limits { tokens: 1, wait: Duration::ZERO, cost: 1 };

#[test]
fn a_full_budget_goes_at_once_and_a_lone_item_waits_its_time() {
    let now = Instant::now();
    let mut batcher = Batcher::new(&[LIMITS]);
    batcher.push(0, "a", 60, Priority::Normal, now);
    assert!(batcher.pop(now, false).is_none());
    assert_eq!(batcher.ready_at(now), Some(now + LIMITS.wait));
    batcher.push(0, "b", 60, Priority::Normal, now);
    assert_eq!(batcher.pop(now, false), Some((0, vec!["a"])));
    assert!(batcher.pop(now, false).is_none());
    assert_eq!(batcher.pop(now + LIMITS.wait, false), Some((0, vec!["b"])));
    assert!(batcher.tokens() == 0 && batcher.is_empty());
}

#[test]
fn what_is_due_does_not_wait_for_company() {
    let now = Instant::now();
    let mut batcher = Batcher::new(&[LIMITS]);
    batcher.push(0, "document", 10, Priority::Normal, now);
    batcher.push(0, "search", 10, Priority::High, now);
    assert_eq!(batcher.ready_at(now), Some(now));
    // Whoever waits already goes along.
    assert_eq!(batcher.pop(now, false), Some((0, vec!["search", "document"])));
}

#[test]
fn the_urgent_go_first_but_the_old_are_not_passed_for_ever() {
    let now = Instant::now();
    let mut batcher = Batcher::new(&[SINGLE]);
    batcher.push(0, "low", 1, Priority::Low, now);
    batcher.push(0, "high", 1, Priority::High, now + Duration::from_secs(1));
    assert_eq!(batcher.pop(now, true), Some((0, vec!["high"])));
    batcher.push(0, "much later", 1, Priority::High, now + Duration::from_secs(31));
    assert_eq!(batcher.pop(now, true), Some((0, vec!["low"])));
}

#[test]
fn a_model_that_had_nothing_to_do_has_saved_up_no_turns() {
    let now = Instant::now();
    let mut batcher = Batcher::new(&[SINGLE, SINGLE]);
    for _ in 0..100 {
        batcher.push(0, 0, 1, Priority::Low, now);
        batcher.pop(now, true);
    }
    for _ in 0..10 {
        batcher.push(0, 0, 1, Priority::Low, now);
        batcher.push(1, 1, 1, Priority::Low, now);
    }
    let lanes: Vec<usize> = (0..10).filter_map(|_| Some(batcher.pop(now, true)?.0)).collect();
    assert_eq!(lanes.iter().sum::<usize>(), 5, "{lanes:?}");
}

#[test]
fn there_is_no_lane_but_those_given() {
    let mut batcher = Batcher::new(&[SINGLE]);
    assert_eq!(batcher.push(1, "lost?", 1, Priority::High, Instant::now()), Some("lost?"));
    assert!(batcher.is_empty());
}

proptest! {
    #[test]
    fn nothing_is_lost_and_the_budget_holds(
        items in proptest::collection::vec((0usize..3, 1usize..150, 0usize..3), 0..60),
    ) {
        let now = Instant::now();
        let mut batcher = Batcher::new(&[LIMITS, Limits { tokens: 40, ..LIMITS }, Limits { tokens: 1, ..LIMITS }]);
        for (i, (lane, tokens, priority)) in items.iter().enumerate() {
            batcher.push(*lane, i, *tokens, Priority::ALL[*priority], now);
        }
        let mut seen = Vec::new();
        while let Some((lane, batch)) = batcher.pop(now, true) {
            let tokens: usize = batch.iter().map(|i| items[*i].1).sum();
            prop_assert!(tokens <= [100, 40, 1][lane] || batch.len() == 1);
            prop_assert!(!batch.is_empty() && batch.iter().all(|i| items[*i].0 == lane));
            seen.extend(batch);
        }
        prop_assert_eq!(batcher.tokens(), 0);
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..items.len()).collect::<Vec<_>>());
    }

    #[test]
    fn whatever_keeps_coming_each_item_leaves(priority in 0usize..3, lane in 0usize..2) {
        // One urgent newcomer a second, one item leaves a second: the victim leaves once its
        // deadline is the earliest, at most `slack` seconds later, whichever model it waits for.
        let start = Instant::now();
        let mut batcher = Batcher::new(&[SINGLE, Limits { cost: 1000, ..SINGLE }]);
        batcher.push(lane, true, 1, Priority::ALL[priority], start);
        let mut waited = 0;
        loop {
            let now = start + Duration::from_secs(waited);
            batcher.push(0, false, 1, Priority::High, now);
            if batcher.pop(now, true).is_some_and(|(_, batch)| batch == [true]) {
                break;
            }
            waited += 1;
            prop_assert!(waited <= 31, "starved");
        }
    }

    #[test]
    fn models_that_have_work_are_served_alike(
        costs in proptest::array::uniform3(1u64..20),
        sizes in proptest::collection::vec(1usize..30, 300),
    ) {
        // As long as nothing is overdue and all lanes have work, what each was given differs by one
        // batch of each of two lanes at most.
        let now = Instant::now();
        let lanes = costs.map(|cost| Limits { cost, ..LIMITS });
        let mut batcher = Batcher::new(&lanes);
        for (i, tokens) in sizes.iter().enumerate() {
            batcher.push(i % 3, *tokens, *tokens, Priority::Low, now);
        }
        let (mut served, mut left) = ([0u64; 3], [100usize; 3]);
        while left.iter().all(|n| *n > 0) {
            let (lane, batch) = batcher.pop(now, true).unwrap();
            left[lane] -= batch.len();
            served[lane] += batch.iter().sum::<usize>() as u64 * costs[lane];
            let spread = served.iter().max().unwrap() - served.iter().min().unwrap();
            let most = costs.iter().max().unwrap() * LIMITS.tokens as u64;
            prop_assert!(spread <= 2 * most, "{served:?}");
        }
    }
}
