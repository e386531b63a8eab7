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
        bytes calldata encoded = leaf.lane;
        Lane memory lane = Lanes.decode(encoded);
        bytes32 key = _checkLeaf(id, lane.id, encoded, leaf);
        uint256 amount = _checkClaim(id, key, lane, claim);
        uint256 before = claims[id][lane.id];
        if (amount <= before) return;
        claims[id][lane.id] = amount;
        (uint256 paid, uint256 left) = _takeOut(id, lane.asset, _share(lane, amount) - _share(lane, before));
        emit Redeemed(id, lane.id, amount, paid);
        if (left == 0 && _endIfEmpty(id, c, p)) channels[id] = c;
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
        bytes calldata encoded = leaf.lane;
        Lane memory lane = Lanes.decode(encoded);
        _checkLeaf(id, lane.id, encoded, leaf);
        uint256 bits = swept[id][lane.id >> 8];
        uint256 bit = 1 << (lane.id & 0xff);
        if (bits & bit != 0) revert AlreadySwept();
        swept[id][lane.id >> 8] = bits | bit;
        (uint256 paid, uint256 left) = _takeOut(id, lane.asset, lane.reserved - _share(lane, claims[id][lane.id]));
        emit Swept(id, lane.id, paid);
        if (left == 0 && _endIfEmpty(id, c, p)) channels[id] = c;
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

    /// As much of `amount` as is held, and what is left.
    function _takeOut(bytes32 id, uint256 asset, uint256 amount) private returns (uint256, uint256 left) {
        left = held[id][asset];
        if (amount > left) amount = left;
        unchecked {
            left -= amount;
        }
        held[id][asset] = left;
        return (amount, left);
    }

    /// The lane's key. Reverts unless the lane stands under the frozen root.
    function _checkLeaf(bytes32 id, uint64 lane, bytes calldata encoded, Leaf calldata leaf)
        private
        view
        returns (bytes32 key)
    {
        key = Hash.laneKey(id, lane);
        bytes32 lanes = Hash.lanesRoot(key, encoded, leaf.siblings);
        if (Hash.root(leaf.outcome, lanes, leaf.code, leaf.objects) != challenges[id].root) revert Hash.BadProof();
    }

    /// What a claim proves. Reverts unless it is in its one form and the lane's session key signed its voucher.
    function _checkClaim(bytes32 id, bytes32 key, Lane memory lane, Claim calldata c)
        private
        view
        returns (uint256 amount)
    {
        Tick[] calldata ticks = c.ticks;
        amount = _amount(c, ticks);
        bytes32 hash = Signed.voucher(DOMAIN, id, lane.id, c, ticks.length, _anchors(key, c.epoch, ticks));
        if (!Signed.isBy(hash, lane.sessionKey, c.v, c.r, c.s)) revert BadVoucher();
    }

    /// Where the ticks lead to, hashed.
    function _anchors(bytes32 key, uint32 epoch, Tick[] calldata ticks) private view returns (bytes32) {
        bytes32[] memory anchors = new bytes32[](ticks.length);
        for (uint256 digit = 0; digit < ticks.length; ++digit) {
            anchors[digit] = Hash.walk(key, epoch, digit, ticks[digit].index, ticks[digit].node);
        }
        return Hash.anchors(anchors);
    }

    /// base + unit · Σ index · radix^digit. Reverts unless the voucher is in its one form, no index is beyond its
    /// end, and the most that it can come to is a number.
    function _amount(Claim calldata c, Tick[] calldata ticks) private pure returns (uint256 amount) {
        (uint256 unit, uint256 radix, uint256 length) = (c.unit, c.radix, c.length);
        if (c.epoch == 0 || !_isCanonical(ticks.length, unit, radix, length)) revert BadVoucher();
        amount = c.base;
        uint256 most = amount;
        unchecked {
            // 2^128 · 1,024 · (1 + r + r² + r³), r below 2^16, is far from overflowing; with the base it may.
            for (uint256 digit = 0; digit < ticks.length; ++digit) {
                uint256 index = ticks[digit].index;
                if (index > length) revert BadVoucher();
                amount += unit * index;
                most += unit * length;
                unit *= radix;
            }
        }
        if (most < c.base) revert BadVoucher();
    }

    function _isCanonical(uint256 digits, uint256 unit, uint256 radix, uint256 length) private pure returns (bool) {
        if (digits == 0) return unit == 0 && radix == 0 && length == 0;
        if (digits > DIGITS_MAX || unit == 0 || length == 0 || digits * length > STEPS_MAX) return false;
        return digits == 1 ? radix == 1 : radix > 0;
    }
}
