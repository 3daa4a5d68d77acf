//! What every place for snapshots promises, tried on each of them: a new kind of place gets
//! a line in each of the two lists below, and nothing else.

mod places;
mod reader;
mod site;
mod store;

/// Tries each claim of a suite on each of its places.
macro_rules! each {
    ($suite:ident, [$($place:ident),* $(,)?], $claims:tt) => {
        $(each!(@place $suite, $place, $claims);)*
    };
    (@place $suite:ident, $place:ident, [$($claim:ident),* $(,)?]) => {
        mod $place {
            $(
                #[tokio::test]
                async fn $claim() {
                    super::super::$suite::$claim(&super::super::places::$place().await).await;
                }
            )*
        }
    };
}

/// Places that are read.
mod reading {
    each!(
        reader,
        [
            folder,
            folder_that_is_a_store,
            memory,
            site,
            named_folder,
            named_site
        ],
        [
            what_lies_there_is_read_whole_and_in_pieces,
            what_does_not_lie_there_is_no_error,
            what_is_too_long_is_not_taken_in,
            what_was_replaced_is_read_anew,
            a_history_that_can_be_listed_is_in_ascending_order,
            each_page_of_the_history_is_found,
            a_page_that_is_missing_hides_none_that_can_be_listed,
            a_place_without_a_publication_has_no_history,
            a_place_says_where_a_key_lies,
            many_may_read_at_once,
        ]
    );
}

/// Places that are written to.
mod writing {
    each!(
        store,
        [open_store, open_memory],
        [
            what_was_put_is_found,
            a_put_may_be_repeated_and_never_overwrites,
            a_variant_of_another_compressor_stays,
            a_large_content_is_put_whole,
            a_page_of_the_history_is_put_once,
            of_many_that_put_one_page_one_is_the_first,
            many_may_put_at_once,
            only_the_pointer_is_replaced,
            everything_but_the_pointer_is_listed,
            what_is_removed_is_gone_and_nothing_else,
            what_is_removed_twice_is_an_error,
            what_was_put_may_be_made_durable_at_any_time,
        ]
    );
}
