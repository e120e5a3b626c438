//! The project's bad-input table, row by row, against our own session over real sockets.
//!
//! Each row is what one of the most trusted implementations of this protocol tests of itself. Where another test of the
//! project has the row already, it is named and not repeated.
//!
//! | Anchor | Row | Test |
//! |---|---|---|
//! | Bitcoin Core, p2p_invalid_messages | header split across reads | [`framing`]: `a_message_may_be_cut_at_any_byte`, `the_handshake_may_be_cut_at_any_byte` |
//! | | bad magic | `connection.rs`: `another_networks_magic…`; [`framing`]: `a_proven_peer_that_loses_its_place_is_cut_off` |
//! | | cap + 1 | `connection.rs`: `a_stranger_may_claim_one_kibibyte_and_a_proven_peer_the_chains_cap` |
//! | | bad checksum; unknown command; non-zero after NUL; addr of 1,001; inv of 50,001; bad addrv2 | [`framing`]: `what_cannot_be_understood_is_dropped_once_and_ten_times_in_a_row_is_too_often`, `unknown_commands_are_ignored_however_many`, `a_stranger_may_make_no_mistake` |
//! | Zebra's advisories | cap-size claim before `verack`; at most 1 KiB buffered per unproven peer | [`memory`]: `a_stranger_holds_less_than_a_kibibyte…`, `a_cap_size_claim_before_verack…` |
//! | | huge counts without preallocation | [`memory`]: `a_huge_count_allocates_nothing`, `a_cap_size_claim_by_a_proven_peer…`; for every message: `wire/tests/memory.rs` |
//! | Core, p2p_timeouts | no `version`; no `verack`; a ping in place of either | [`handshake`]: `no_handshake_in_time_ends_the_connection…`; to the millisecond: `protocol::session::tests::handshake` |
//! | Core, p2p_leak | ping first, other messages first | [`handshake`]: `whatever_comes_before_version_ends_the_connection` |
//! | | duplicate `version`; old protocol | [`handshake`]: `a_second_version_changes_nothing`, `an_old_protocol_is_refused` |
//! | Core, p2p_handshake | self-connect | [`handshake`]: `two_ends_of_one_engine_recognise_each_other` |
//! | Core, p2p_ping | no, wrong, zero, short nonce | [`pings`]: `only_the_right_pong_is_a_round_trip` |
//! | | no pong | [`pings`]: `a_ping_without_pong_ends_the_connection` |
//! | | clock jump, timers that do not follow the wall clock | [`pings`]: `a_peers_clock_may_say_anything`; `protocol::session::tests::steady`: `time_that_stands_still_or_jumps_back…` (sessions are told an `Instant`, and know no other clock) |
//! | Core, p2p_net_deadlock | both sides send a cap-size frame at once | [`serving`]: `both_ends_may_send_a_frame_of_the_caps_size_at_the_same_moment` |
//! | Core, p2p_unrequested_blocks | tip, equal-work fork, gap, too far ahead, duplicate: never accepted on a pong alone | [`proof`]: `only_what_a_peer_says_of_its_chain_is_an_acceptance…`; through the relay: `relay/tests/outcomes.rs`: `each_peers_outcome_is_what_it_proved`; `relay/tests/parents.rs` |
//! | Core, p2p_compactblocks | `getblocktxn` with bad indexes | [`serving`]: `impossible_indexes_…` |
//! | | silent requester, silent announcer | [`serving`]: `a_peer_that_asks_and_does_not_read_…`, `a_peer_that_announces_and_never_answers_…`; cut off in the end: `connection.rs`: `a_peer_that_takes_nothing_for_five_seconds…`; answers bounded: `net::lane`: `a_peer_that_pings_and_does_not_read…` |
//! | Core, p2p_dos_header_tree | header flood | [`flood`]: `floods_cost_one_event_a_message_and_no_memory`; what the relay takes of it: `relay/tests/trust.rs`: `a_strangers_header_is_not_our_chain…`; `protocol::headers`: `rivals_of_one_height_are_bounded`, `a_header_without_known_parent_is_not_taken` |
//! | Zebra | `::ffff:a.b.c.d` is a.b.c.d | `wire::address`: `an_ipv4_address_is_the_same_in_every_dress` |
//! | Core, p2p_addr_relay | endless addresses, 1,001 in one message, nobody asked | `protocol::session::tests::gossip`, `…::addresses` |
//! | Core, p2p_dns_seeds | too many, repeated and private addresses, silence | `net::seeds` |
//! | Core, proxy_test | names are not looked up, logins, every answer, proxies that are down or none | `proxy.rs` |
//! | Core, rpc_users | wrong auth, cookie mode, 0600 | `rpc/tests/calls.rs`, `rpc/tests/submit.rs` (as client); `gateway/tests/front_door.rs`, `gateway/tests/rest.rs`, `gateway/src/auth.rs` (as server); `config/tests/loading/secrets.rs` (files that others can read) |
//!
//! Not applicable yet, because what they are about does not exist: p2p_eviction (nobody connects to us), feature_addrman
//! and feature_anchors (there is no peer file). Score and ban by address, the rest of Zebra's last row, come with them. feature_init, killing the daemon at every step of
//! its start, is the business of the tests against real nodes.
//!
//! # Time
//!
//! No test here waits for a clock. A session that is to be late is begun in the past.

#[path = "../../../wire/tests/common/allocations.rs"]
mod allocations;
mod flood;
mod framing;
mod handshake;
mod memory;
mod pings;
mod proof;
mod scene;
mod serving;
#[allow(dead_code, reason = "shared with connection.rs, which uses the rest")]
#[path = "../support/mod.rs"]
mod support;
