// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Parameters} from "./Types.sol";

/// A channel's id, keccak256(abi.encode(chainId, adjudicator, …the parameters)), from the calldata that brings
/// the parameters. What is hashed must be all that is read: anything laid out otherwise is refused.
library ChannelId {
    uint256 internal constant SEATS_MAX = 16;
    uint256 internal constant ASSETS_MAX = 8;

    /// Not 2 to 16 seats or 1 to 8 assets, or not the one ABI encoding of its contents.
    error BadParameters();

    function from(Parameters calldata p, uint256 chainId) internal view returns (bytes32 id) {
        uint256 seats = p.seats.length;
        uint256 assets = p.assets.length;
        if (seats < 2 || seats > SEATS_MAX || assets == 0 || assets > ASSETS_MAX) revert BadParameters();
        bool canonical;
        assembly ("memory-safe") {
            // The struct has seven words of head, then: count and pairs of words; count and words; count,
            // offsets, and for each seat count and words.
            let assetsAt := add(0x100, shl(6, seats))
            let depositsAt := add(add(assetsAt, 0x20), shl(5, assets))
            let row := shl(5, add(assets, 1))
            let first := shl(5, seats)
            let size := add(add(depositsAt, 0x20), mul(seats, add(row, 0x20)))
            canonical := eq(calldataload(p), 0xe0)
            canonical := and(canonical, eq(calldataload(add(p, 0x20)), assetsAt))
            canonical := and(canonical, eq(calldataload(add(p, 0x40)), depositsAt))
            canonical := and(canonical, eq(calldataload(add(p, depositsAt)), seats))
            let rows := add(add(p, depositsAt), 0x20)
            for { let seat := 0 } lt(seat, seats) { seat := add(seat, 1) } {
                let at := add(first, mul(seat, row))
                canonical := and(canonical, eq(calldataload(add(rows, shl(5, seat))), at))
                canonical := and(canonical, eq(calldataload(add(rows, at)), assets))
            }
            // The encoding that is hashed has two words more before the head, so each offset is 64 more.
            let message := mload(0x40)
            mstore(message, chainId)
            mstore(add(message, 0x20), address())
            calldatacopy(add(message, 0x40), p, size)
            mstore(add(message, 0x40), 0x120)
            mstore(add(message, 0x60), add(assetsAt, 0x40))
            mstore(add(message, 0x80), add(depositsAt, 0x40))
            id := keccak256(message, add(size, 0x40))
        }
        if (!canonical) revert BadParameters();
    }
}
