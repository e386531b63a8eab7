// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Dispute} from "./Dispute.sol";
import {Hash} from "./Hash.sol";
import {Lanes} from "./Lanes.sol";
import {Signed} from "./Signed.sol";
import {Claim, Lane, Leaf, Parameters, Tick} from "./Types.sol";

/// Lanes of a frozen channel, each settled alone: first what voucher and ticks prove goes to the payee, then what
/// is left of the reserve to the payer.
abstract contract Redemption is Dispute {
    uint256 private constant DIGITS_MAX = 4;
    uint256 private constant STEPS_MAX = 1024;

    /// Highest claim redeemed, per lane.
    mapping(bytes32 channelId => mapping(uint256 lane => uint256)) private claims;
    /// Lanes that are done, a bit each.
    mapping(bytes32 channelId => mapping(uint256 word => uint256)) private swept;

    event Redeemed(bytes32 indexed channelId, uint64 lane, uint256 claim, uint256 paid);
    event Swept(bytes32 indexed channelId, uint64 lane, uint256 paid);
    /// An item of a batch was refused.
    event Skipped(uint256 item, bytes reason);

    error RedemptionOver();
    error RedemptionOpen();
    error AlreadySwept();
    /// Not in its one form, or not by the lane's session key over the anchors that the ticks lead to.
    error BadVoucher();

    /// Pays the payee what the claim proves beyond what was proven before; anyone may bring it, again and again.
    function redeem(Parameters calldata p, Leaf calldata leaf, Claim calldata claim) external nonReentrant {
        (bytes32 id, Channel memory c) = _channel(p);
        if (block.timestamp > _redeemUntil(c, p)) revert RedemptionOver();
        (bytes32 key, Lane memory lane) = _checkLeaf(id, leaf);
        uint256 amount = _checkClaim(id, key, lane, claim);
        uint256 before = claims[id][lane.id];
        if (amount <= before) return;
        claims[id][lane.id] = amount;
        uint256 paid = _takeOut(id, lane.asset, _share(lane, amount) - _share(lane, before));
        emit Redeemed(id, lane.id, amount, paid);
        if (_endIfEmpty(id, c, p)) channels[id] = c;
        _pay(p.assets[lane.asset], p.seats[lane.payee].payout, paid);
    }

    /// Redeems lanes of many channels: each item is the encoded arguments of `redeem`. What is refused is skipped.
    function redeemBatch(bytes[] calldata items) external {
        for (uint256 item = 0; item < items.length; ++item) {
            (bool ok, bytes memory reason) =
                address(this).call(bytes.concat(this.redeem.selector, items[item]));
            if (ok) continue;
            // Too little gas is the caller's own doing, and shall not look like success to who estimates it.
            if (reason.length == 0 || bytes4(reason) == LittleGas.selector) revert LittleGas();
            emit Skipped(item, reason);
        }
    }

    /// Gives the payer what is left of a lane's reserve, once the time to redeem is over.
    function sweep(Parameters calldata p, Leaf calldata leaf) external nonReentrant {
        (bytes32 id, Channel memory c) = _channel(p);
        if (block.timestamp <= _redeemUntil(c, p)) revert RedemptionOpen();
        (, Lane memory lane) = _checkLeaf(id, leaf);
        uint256 bits = swept[id][lane.id >> 8];
        uint256 bit = 1 << (lane.id & 0xff);
        if (bits & bit != 0) revert AlreadySwept();
        swept[id][lane.id >> 8] = bits | bit;
        uint256 paid =
            _takeOut(id, lane.asset, lane.reserved - _share(lane, claims[id][lane.id]));
        emit Swept(id, lane.id, paid);
        if (_endIfEmpty(id, c, p)) channels[id] = c;
        _pay(p.assets[lane.asset], p.seats[lane.payer].payout, paid);
    }

    /// Highest claim redeemed on a lane (zero: none), and whether the rest is swept.
    function laneOf(bytes32 id, uint64 lane) external view returns (uint256 claim, bool done) {
        return (claims[id][lane], swept[id][lane >> 8] & (1 << (lane & 0xff)) != 0);
    }

    /// What a claim is worth: no more than is reserved, no less than nothing.
    function _share(Lane memory lane, uint256 claim) private pure returns (uint256) {
        if (claim <= lane.folded) return 0;
        uint256 share = claim - lane.folded;
        return share < lane.reserved ? share : lane.reserved;
    }

    /// As much of `amount` as is held.
    function _takeOut(bytes32 id, uint256 asset, uint256 amount) private returns (uint256) {
        if (amount == 0) return 0;
        uint256 left = held[id][asset];
        if (amount > left) amount = left;
        held[id][asset] = left - amount;
        return amount;
    }

    /// The lane and its key. Reverts unless it stands under the frozen root.
    function _checkLeaf(bytes32 id, Leaf calldata leaf) private view returns (bytes32 key, Lane memory lane) {
        if (Hash.root(leaf.branches) != challenges[id].root) revert Hash.BadProof();
        lane = Lanes.decode(leaf.lane);
        key = Hash.laneKey(id, lane.id);
        if (Hash.lanesRoot(key, leaf.lane, leaf.siblings) != leaf.branches.lanes) revert Hash.BadProof();
    }

    /// base + unit · Σ index · radix^digit, of a voucher that the lane's session key signed.
    function _checkClaim(bytes32 id, bytes32 key, Lane memory lane, Claim calldata c)
        private
        view
        returns (uint256 amount)
    {
        _checkCanonical(c);
        bytes32[] memory anchors = new bytes32[](c.ticks.length);
        amount = c.base;
        // 2^128 · 1,024 · (1 + r + r² + r³), r below 2^16, is far from overflowing; with the base it may.
        uint256 weight = c.unit;
        uint256 most = c.base;
        for (uint256 digit = 0; digit < anchors.length; ++digit) {
            Tick calldata tick = c.ticks[digit];
            if (tick.index > c.length) revert BadVoucher();
            anchors[digit] = Hash.walk(key, c.epoch, digit, tick.index, tick.node);
            unchecked {
                most += weight * c.length;
                if (most < c.base) revert BadVoucher();
                amount += weight * tick.index;
                weight *= c.radix;
            }
        }
        bytes32 hash = Signed.voucher(DOMAIN, id, lane.id, c, Hash.anchors(anchors));
        if (!Signed.isBy(hash, lane.sessionKey, c.v, c.r, c.s)) revert BadVoucher();
    }

    function _checkCanonical(Claim calldata c) private pure {
        uint256 digits = c.ticks.length;
        bool good = c.epoch > 0 && digits <= DIGITS_MAX;
        if (digits == 0) good = good && c.unit == 0 && c.radix == 0 && c.length == 0;
        else {
            good = good && c.unit > 0 && c.length > 0 && digits * c.length <= STEPS_MAX;
            good = good && c.radix > 0 && (digits > 1 || c.radix == 1);
        }
        if (!good) revert BadVoucher();
    }
}
