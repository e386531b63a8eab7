// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Lane} from "./Types.sol";

/// A lane's record as it is hashed: id u64 ‖ payer u8 ‖ payee u8 ‖ asset u8 ‖ folded u256 ‖ reserved u256 ‖
/// sessionKey 20, 95 bytes.
library Lanes {
    uint256 private constant SIZE = 95;

    error BadLane();

    function decode(bytes calldata encoded) internal pure returns (Lane memory) {
        if (encoded.length != SIZE) revert BadLane();
        uint256 head;
        uint256 folded;
        uint256 reserved;
        uint256 tail;
        assembly ("memory-safe") {
            head := calldataload(encoded.offset)
            folded := calldataload(add(encoded.offset, 11))
            reserved := calldataload(add(encoded.offset, 43))
            tail := calldataload(add(encoded.offset, 75))
        }
        return Lane({
            id: uint64(head >> 192),
            payer: uint8(head >> 184),
            payee: uint8(head >> 176),
            asset: uint8(head >> 168),
            folded: folded,
            reserved: reserved,
            sessionKey: address(uint160(tail >> 96))
        });
    }
}
