// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Escrow} from "./Escrow.sol";
import {Hash} from "./Hash.sol";
import {Outcome} from "./Outcome.sol";
import {Signed} from "./Signed.sol";
import {Parameters, Preimage, State} from "./Types.sol";

/// How a channel ends, or goes on: closed by all, withdrawn from by all, or challenged by one seat, answered by
/// anyone who has something newer, and frozen when the time for that is over.
abstract contract Dispute is Escrow {
    /// An answer this much newer than what was posted proves fraud: its poster signed it, and so held the whole
    /// state in between. One version can get lost on its way.
    uint64 private constant FRAUD = 2;

    event Closed(bytes32 indexed channelId, uint64 version, uint256[] paid);
    event Withdrawn(bytes32 indexed channelId, uint64 version, uint256[] paid);
    event Challenged(bytes32 indexed channelId, uint64 version, bytes32 root, uint256 poster, address account);
    event Answered(bytes32 indexed channelId, uint64 version, bytes32 root);
    event Punished(bytes32 indexed channelId, uint64 version);
    event Resumed(bytes32 indexed channelId, uint64 version);
    event Frozen(bytes32 indexed channelId, uint256[] paid);
    /// Nothing is left of a frozen channel.
    event Ended(bytes32 indexed channelId);

    /// A state of this kind does not do that.
    error WrongKind();
    error StaleVersion(uint256 least);
    error NotChallenged();
    /// Newer states may still be shown.
    error StatesOpen();
    error AlreadyPaid();
    error WrongRoot();
    /// Not of the kind that closes, or lanes or pots are left in it.
    error NotFinal();
    /// It pays out more, or less, than is held.
    error NotConserved();
    error NothingToWithdraw();

    /// Closes with a final state that every seat signed, and pays all.
    function close(Parameters calldata p, State calldata s, Preimage calldata preimage, bytes calldata signatures)
        external
        nonReentrant
    {
        (bytes32 id, Channel memory c) = _channel(p);
        _checkShowable(c, p);
        if (s.kind != FINAL) revert NotFinal();
        _checkVersion(c, c.challengedAt == 0 ? 0 : uint256(c.version) + 1, s.version);
        if (_root(preimage) != s.root) revert WrongRoot();
        _checkSigned(id, p, s, signatures);
        if (preimage.lanes != 0) revert NotFinal();
        uint256[] memory dues = _dues(id, c, p, preimage.outcome, true);
        bool fraud = c.challengedAt != 0 && _isFraud(id, c, s.version);
        c.flags |= CLOSED;
        channels[id] = c;
        emit Closed(id, s.version, dues);
        if (fraud) _punish(id, c, p, s.version);
        if (c.challengedAt != 0) _returnBond(id, c);
        _payAll(p, dues);
    }

    /// Pays what a co-signed state says was withdrawn and has not been paid yet. Newer than a posted state, it
    /// answers that too.
    function withdraw(Parameters calldata p, State calldata s, Preimage calldata preimage, bytes calldata signatures)
        external
        nonReentrant
    {
        (bytes32 id, Channel memory c) = _channel(p);
        _checkShowable(c, p);
        if (s.kind == FINAL) revert WrongKind();
        _checkVersion(c, 0, s.version);
        if (_root(preimage) != s.root) revert WrongRoot();
        carried[id] = _checkSigned(id, p, s, signatures);
        uint256[] memory amounts = _withdrawals(id, p, preimage.outcome);
        emit Withdrawn(id, s.version, amounts);
        c.flags |= CHANGED;
        c.versionMin = s.version;
        bool newer = c.challengedAt != 0 && s.version > c.version;
        bool fraud = newer && _isFraud(id, c, s.version);
        if (newer) _post(id, c, s);
        channels[id] = c;
        if (fraud) _punish(id, c, p, s.version);
        _payAll(p, amounts);
    }

    /// Posts a state without the others, with the poster's word on who puts up the bond: the caller.
    function challenge(
        Parameters calldata p,
        uint256 poster,
        State calldata s,
        bytes calldata signatures,
        bytes calldata word
    ) external payable nonReentrant {
        (bytes32 id, Channel memory c) = _channel(p);
        _checkShowable(c, p);
        if (c.challengedAt != 0) revert AlreadyChallenged();
        if (poster >= p.seats.length) revert NoSuchSeat();
        if (s.kind == FINAL) revert WrongKind();
        _checkVersion(c, 0, s.version);
        _checkSigned(id, p, s, signatures);
        bytes32 hash = Signed.challenge(DOMAIN, id, s.version, msg.sender);
        if (!Signed.isBy(hash, p.seats[poster].signer, word)) revert Signed.BadSignature(poster);
        if (msg.value != BOND) revert WrongValue(BOND);
        c.challengedAt = uint40(block.timestamp);
        c.version = s.version;
        c.poster = uint8(poster);
        channels[id] = c;
        challenges[id] = Challenge(s.root, msg.sender, s.version);
        emit Challenged(id, s.version, s.root, poster, msg.sender);
    }

    /// Shows a newer state than the posted one; anyone may.
    function answer(Parameters calldata p, State calldata s, bytes calldata signatures) external nonReentrant {
        (bytes32 id, Channel memory c) = _channel(p);
        _checkShowable(c, p);
        if (c.challengedAt == 0) revert NotChallenged();
        if (s.kind == FINAL) revert WrongKind();
        _checkVersion(c, uint256(c.version) + 1, s.version);
        _checkSigned(id, p, s, signatures);
        bool fraud = _isFraud(id, c, s.version);
        _post(id, c, s);
        channels[id] = c;
        if (fraud) _punish(id, c, p, s.version);
    }

    /// Ends a challenge with a state that says so, newer than what was posted, and the channel lives on. Whoever
    /// answered with that very state does not stand in its way.
    function resume(Parameters calldata p, State calldata s, bytes calldata signatures) external nonReentrant {
        (bytes32 id, Channel memory c) = _channel(p);
        _checkShowable(c, p);
        if (c.challengedAt == 0) revert NotChallenged();
        if (s.kind != RESUME) revert WrongKind();
        uint256 posted = challenges[id].posted;
        _checkVersion(c, c.version > posted ? c.version : posted + 1, s.version);
        carried[id] = _checkSigned(id, p, s, signatures);
        emit Resumed(id, s.version);
        // The guard keeps everybody out until the channel is written.
        if (_isFraud(id, c, s.version)) _punish(id, c, p, s.version);
        _returnBond(id, c);
        c.flags &= ~PUNISHED;
        c.challengedAt = 0;
        c.version = 0;
        c.poster = 0;
        c.versionMin = s.version;
        channels[id] = c;
        delete challenges[id];
    }

    /// Pays the balances of the posted state, once the time to answer is over; lanes go on being redeemed.
    function freeze(Parameters calldata p, Preimage calldata preimage) external nonReentrant {
        (bytes32 id, Channel memory c) = _channel(p);
        _redeemUntil(c, p);
        if (c.flags & PAID != 0) revert AlreadyPaid();
        if (_root(preimage) != challenges[id].root) revert WrongRoot();
        uint256[] memory dues = _dues(id, c, p, preimage.outcome, false);
        c.flags |= PAID;
        emit Frozen(id, dues);
        _endIfEmpty(id, c, p);
        channels[id] = c;
        _returnBond(id, c);
        _payAll(p, dues);
    }

    /// Last second in which lanes are redeemed. Reverts unless the posted state can no longer change.
    function _redeemUntil(Channel memory c, Parameters calldata p) internal view returns (uint256) {
        if (c.challengedAt == 0) {
            // What was challenged came to life before; this only tells why it is too early.
            _checkLive(c, p);
            revert NotChallenged();
        }
        uint256 statesUntil = c.challengedAt + p.challengePeriod;
        if (block.timestamp <= statesUntil) revert StatesOpen();
        return statesUntil + p.challengePeriod;
    }

    /// A frozen channel whose balances are paid and of which nothing is held has ended. Writes no storage.
    function _endIfEmpty(bytes32 id, Channel memory c, Parameters calldata p) internal returns (bool) {
        if (c.flags & PAID == 0) return false;
        for (uint256 asset = 0; asset < p.assets.length; ++asset) if (held[id][asset] != 0) return false;
        c.flags |= CLOSED;
        emit Ended(id);
        return true;
    }

    /// Reverts below `least`, and where something newer than `version` was executed.
    function _checkVersion(Channel memory c, uint256 least, uint64 version) private pure {
        if (least < c.versionMin) least = c.versionMin;
        if (version < least) revert StaleVersion(least);
    }

    /// The hash that all seats have signed. What was carried out needs no signatures again: a seat that signed
    /// first may never have got those of the others.
    function _checkSigned(bytes32 id, Parameters calldata p, State memory s, bytes calldata signatures)
        private
        view
        returns (bytes32 hash)
    {
        hash = Signed.state(DOMAIN, id, s);
        if (signatures.length == 0 && hash == carried[id]) return hash;
        Signed.byAll(hash, p.seats, signatures);
    }

    /// Makes `s` the posted state.
    function _post(bytes32 id, Channel memory c, State calldata s) private {
        c.version = s.version;
        challenges[id].root = s.root;
        emit Answered(id, s.version, s.root);
    }

    /// Whether `version`, newer than what was posted, proves fraud, and is the first to do so.
    function _isFraud(bytes32 id, Channel memory c, uint64 version) private view returns (bool fraud) {
        fraud = c.flags & PUNISHED == 0 && version - challenges[id].posted >= FRAUD;
        if (fraud) c.flags |= PUNISHED;
    }

    /// The bond to the others, equally; the indivisible rest to the first of them.
    function _punish(bytes32 id, Channel memory c, Parameters calldata p, uint64 version) private {
        emit Punished(id, version);
        uint256 others = p.seats.length - 1;
        uint256 rest = BOND % others;
        for (uint256 seat = 0; seat < p.seats.length; ++seat) {
            if (seat == c.poster) continue;
            _pay(NATIVE, p.seats[seat].payout, BOND / others + rest);
            rest = 0;
        }
    }

    function _returnBond(bytes32 id, Channel memory c) private {
        if (c.flags & PUNISHED == 0) _pay(NATIVE, challenges[id].account, BOND);
    }

    function _payAll(Parameters calldata p, uint256[] memory amounts) private {
        for (uint256 cell = 0; cell < amounts.length; ++cell) {
            if (amounts[cell] == 0) continue;
            address payout = p.seats[cell / p.assets.length].payout;
            _pay(p.assets[cell % p.assets.length], payout, amounts[cell]);
        }
    }

    /// Takes the balances of a state out of what is held. Those of a final state are all there is, to the unit; a
    /// frozen one, which was posted unseen, gives as far as there is anything.
    function _dues(bytes32 id, Channel memory c, Parameters calldata p, bytes calldata outcome, bool isFinal)
        private
        returns (uint256[] memory dues)
    {
        Outcome.check(outcome, p.seats.length, p.assets.length);
        dues = new uint256[](p.seats.length * p.assets.length);
        for (uint256 asset = 0; asset < p.assets.length; ++asset) {
            uint256 left = held[id][asset];
            for (uint256 seat = 0; seat < p.seats.length; ++seat) {
                Outcome.Cell memory cell = Outcome.cell(outcome, _cell(p, seat, asset));
                if (isFinal && cell.pot != 0) revert NotFinal();
                (uint256 deposited, uint256 taken) = _amounts(id, c, p, seat, asset);
                (uint256 due, bool negative) = Outcome.due(cell, deposited, taken);
                if (isFinal && (negative || due > left)) revert NotConserved();
                if (due > left) due = left;
                left -= due;
                dues[_cell(p, seat, asset)] = due;
            }
            if (isFinal && left != 0) revert NotConserved();
            held[id][asset] = left;
        }
    }

    /// Takes out of what is held what a state withdrew beyond what was paid already.
    function _withdrawals(bytes32 id, Parameters calldata p, bytes calldata outcome)
        private
        returns (uint256[] memory amounts)
    {
        Outcome.check(outcome, p.seats.length, p.assets.length);
        amounts = new uint256[](p.seats.length * p.assets.length);
        bool any;
        for (uint256 cell = 0; cell < amounts.length; ++cell) {
            uint256 target = Outcome.cell(outcome, cell).withdrawn;
            uint256 taken = withdrawn[id][cell];
            if (target <= taken) continue;
            uint256 amount = target - taken;
            uint256 left = held[id][cell % p.assets.length];
            if (amount > left) revert NotConserved();
            held[id][cell % p.assets.length] = left - amount;
            withdrawn[id][cell] = target;
            amounts[cell] = amount;
            any = true;
        }
        if (!any) revert NothingToWithdraw();
    }

    function _root(Preimage calldata b) private view returns (bytes32) {
        return Hash.root(Hash.outcome(b.outcome), b.lanes, b.code, b.objects);
    }
}
