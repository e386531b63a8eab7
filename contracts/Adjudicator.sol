// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Escrow} from "./Escrow.sol";
import {Redemption} from "./Redemption.sol";

/// The adjudicator of Sluice: opens channels, keeps their money, judges what all seats signed, and pays out.
/// It stores hashes; callers bring what they are hashes of. Nobody owns it, nothing upgrades or stops it, and
/// nothing leaves but what signatures and ticks prove.
contract Adjudicator is Redemption {
    constructor(uint256 bond, uint32 minChallengePeriod) Escrow(bond, minChallengePeriod) {}
}
