// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelId} from "./ChannelId.sol";
import {Hash} from "./Hash.sol";
import {Purse} from "./Purse.sol";
import {Signed} from "./Signed.sol";
import {Parameters, State} from "./Types.sol";

/// Channels and the money in them: opened with all signatures on state 0, funded seat by seat, topped up while
/// they live, given back when they never came to life. An id is never usable again.
abstract contract Escrow is Purse {
    /// One word, all that a live channel needs beside its money.
    struct Channel {
        /// Seats whose opening deposit is in (or zero), and whose deposit went back, a bit each.
        uint16 funded;
        uint16 refunded;
        uint8 flags;
        /// Seat that posted, and when; zero while there is no challenge.
        uint8 poster;
        uint40 challengedAt;
        /// Lowest version that may still be posted, executed or closed with.
        uint64 versionMin;
        /// Version of the posted state.
        uint64 version;
        /// Block of the opening, where a client finds the parameters.
        uint40 openedAt;
    }

    /// While a channel is challenged or frozen.
    struct Challenge {
        bytes32 root;
        /// Gets the bond back.
        address account;
        /// Version that the poster posted; what was answered since is not held against it.
        uint64 posted;
    }

    uint8 internal constant OPEN = 1;
    uint8 internal constant CLOSED = 2;
    /// Topped up or withdrawn from: the parameters no longer tell what is here.
    uint8 internal constant CHANGED = 4;
    /// The bond is gone.
    uint8 internal constant PUNISHED = 8;
    /// Balances were paid after the freeze.
    uint8 internal constant PAID = 16;

    uint8 internal constant RUNNING = 0;
    uint8 internal constant FINAL = 1;
    uint8 internal constant RESUME = 2;

    /// Native coins that whoever challenges puts up.
    uint256 public immutable BOND;
    /// Seconds.
    uint256 public immutable MIN_CHALLENGE_PERIOD;
    /// Where a client begins to read events.
    uint256 public immutable DEPLOYED_AT = block.number;
    /// As at the deployment: should the chain ever change its id, no channel is out of reach.
    uint256 internal immutable CHAIN_ID = block.chainid;
    bytes32 internal immutable DOMAIN = Signed.separator(block.chainid);

    mapping(bytes32 channelId => Channel) internal channels;
    mapping(bytes32 channelId => Challenge) internal challenges;
    /// What lies here, per asset index.
    mapping(bytes32 channelId => mapping(uint256 asset => uint256)) internal held;
    /// Deposited beyond the opening deposits, and withdrawn by co-signed states, per cell.
    mapping(bytes32 channelId => mapping(uint256 cell => uint256)) internal toppedUp;
    mapping(bytes32 channelId => mapping(uint256 cell => uint256)) internal withdrawn;
    /// Hash of the newest state that was carried out, by a withdrawal or a resume.
    mapping(bytes32 channelId => bytes32) internal carried;
    /// Who paid a seat's deposit, where that is not its payout address.
    mapping(bytes32 channelId => mapping(uint256 seat => address)) private funders;

    event Opened(bytes32 indexed channelId, Parameters parameters);
    event Deposited(bytes32 indexed channelId, uint256 seat, address from);
    event Live(bytes32 indexed channelId);
    event ToppedUp(bytes32 indexed channelId, uint256 seat, uint256 asset, uint256 total);
    event Refunded(bytes32 indexed channelId, uint256 seat);

    error SameSigner();
    error SameAsset();
    error ContractsUnsupported();
    error ShortChallengePeriod(uint256 least);
    error LongChallengePeriod();
    error FundingOver();
    error FundingOpen();
    error ChannelExists();
    error ChannelUnknown();
    error ChannelClosed();
    error ChannelDead();
    error AlreadyChallenged();
    /// The time to show states is over.
    error StatesOver();
    error AlreadyDeposited();
    error NothingToRefund();
    error NoSuchSeat();
    error NoSuchAsset();

    constructor(uint256 bond, uint32 minChallengePeriod) {
        BOND = bond;
        MIN_CHALLENGE_PERIOD = minChallengePeriod;
    }

    /// Registers a channel. `signatures` are on state 0: every deposit in its seat's balance, nothing else.
    function open(Parameters calldata p, bytes calldata signatures) external nonReentrant {
        bytes32 id = ChannelId.from(p, CHAIN_ID);
        if (channels[id].flags != 0) revert ChannelExists();
        _checkParameters(p);
        Channel memory c;
        c.flags = OPEN;
        c.openedAt = uint40(block.number);
        c.funded = _unowing(p);
        channels[id] = c;
        Signed.byAll(Signed.state(DOMAIN, id, State(0, RUNNING, _openingRoot(p))), p.seats, signatures);
        emit Opened(id, p);
        if (_isLive(c, p)) emit Live(id);
    }

    /// Pays a seat's opening deposit, all assets at once, from the caller.
    function deposit(Parameters calldata p, uint256 seat) external payable nonReentrant {
        (bytes32 id, Channel memory c) = _channel(p);
        if (seat >= p.seats.length) revert NoSuchSeat();
        if (c.funded & (1 << seat) != 0) revert AlreadyDeposited();
        if (block.timestamp > p.fundBy) revert ChannelDead();
        c.funded |= uint16(1 << seat);
        channels[id] = c;
        if (msg.sender != p.seats[seat].payout) funders[id][seat] = msg.sender;
        emit Deposited(id, seat, msg.sender);
        if (_isLive(c, p)) emit Live(id);

        uint256 value;
        for (uint256 asset = 0; asset < p.assets.length; ++asset) {
            uint256 amount = p.deposits[seat][asset];
            if (amount == 0) continue;
            held[id][asset] += amount;
            if (p.assets[asset] == NATIVE) value = amount;
            else _take(p.assets[asset], amount);
        }
        if (msg.value != value) revert WrongValue(value);
    }

    /// Raises what a seat deposited of one asset to `total`, from the caller.
    function topUp(Parameters calldata p, uint256 seat, uint256 asset, uint256 total)
        external
        payable
        nonReentrant
    {
        (bytes32 id, Channel memory c) = _channel(p);
        _checkShowable(c, p);
        if (c.challengedAt != 0) revert AlreadyChallenged();
        if (seat >= p.seats.length) revert NoSuchSeat();
        if (asset >= p.assets.length) revert NoSuchAsset();
        uint256 opening = p.deposits[seat][asset];
        uint256 before = opening + toppedUp[id][_cell(p, seat, asset)];
        if (total <= before) revert AlreadyDeposited();
        uint256 amount = total - before;
        toppedUp[id][_cell(p, seat, asset)] = total - opening;
        held[id][asset] += amount;
        if (c.flags & CHANGED == 0) channels[id].flags = c.flags | CHANGED;
        emit ToppedUp(id, seat, asset, total);

        bool native = p.assets[asset] == NATIVE;
        if (msg.value != (native ? amount : 0)) revert WrongValue(native ? amount : 0);
        if (!native) _take(p.assets[asset], amount);
    }

    /// Gives a deposit back to who paid it, once the others are too late to fund.
    function refund(Parameters calldata p, uint256 seat) external nonReentrant {
        (bytes32 id, Channel memory c) = _channel(p);
        if (seat >= p.seats.length) revert NoSuchSeat();
        if (_isLive(c, p)) revert NothingToRefund();
        if (block.timestamp <= p.fundBy) revert FundingOpen();
        uint256 bit = 1 << seat;
        if (_unowing(p) & bit != 0 || c.funded & bit == 0 || c.refunded & bit != 0) revert NothingToRefund();
        channels[id].refunded = c.refunded | uint16(bit);
        emit Refunded(id, seat);

        address funder = funders[id][seat];
        if (funder == address(0)) funder = p.seats[seat].payout;
        for (uint256 asset = 0; asset < p.assets.length; ++asset) {
            uint256 amount = p.deposits[seat][asset];
            if (amount == 0) continue;
            held[id][asset] -= amount;
            _pay(p.assets[asset], funder, amount);
        }
    }

    /// All that is stored of a channel of so many seats and assets; per seat and asset where that applies.
    function look(bytes32 id, uint256 seats, uint256 assets)
        external
        view
        returns (
            Channel memory channel,
            Challenge memory challenge,
            uint256[] memory holds,
            uint256[] memory extra,
            uint256[] memory taken
        )
    {
        channel = channels[id];
        challenge = challenges[id];
        holds = new uint256[](assets);
        for (uint256 asset = 0; asset < assets; ++asset) holds[asset] = held[id][asset];
        extra = new uint256[](seats * assets);
        taken = new uint256[](seats * assets);
        for (uint256 cell = 0; cell < seats * assets; ++cell) {
            extra[cell] = toppedUp[id][cell];
            taken[cell] = withdrawn[id][cell];
        }
    }

    /// The channel of these parameters, neither unknown nor closed.
    function _channel(Parameters calldata p) internal view returns (bytes32 id, Channel memory c) {
        id = ChannelId.from(p, CHAIN_ID);
        c = channels[id];
        if (c.flags & OPEN == 0) revert ChannelUnknown();
        if (c.flags & CLOSED != 0) revert ChannelClosed();
    }

    /// Reverts unless states may be shown: the channel came to life, and is not frozen.
    function _checkShowable(Channel memory c, Parameters calldata p) internal view {
        _checkLive(c, p);
        if (c.challengedAt != 0 && block.timestamp > c.challengedAt + p.challengePeriod) revert StatesOver();
    }

    function _isLive(Channel memory c, Parameters calldata p) internal pure returns (bool) {
        return c.funded == (1 << p.seats.length) - 1;
    }

    /// Reverts unless the channel came to life, whatever happened since.
    function _checkLive(Channel memory c, Parameters calldata p) internal view {
        if (_isLive(c, p)) return;
        if (block.timestamp > p.fundBy) revert ChannelDead();
        revert FundingOpen();
    }

    /// Index into the tables, seat by seat.
    function _cell(Parameters calldata p, uint256 seat, uint256 asset) internal pure returns (uint256) {
        return seat * p.assets.length + asset;
    }

    /// Deposited, and withdrawn by co-signed states.
    function _amounts(bytes32 id, Channel memory c, Parameters calldata p, uint256 seat, uint256 asset)
        internal
        view
        returns (uint256 deposited, uint256 taken)
    {
        deposited = p.deposits[seat][asset];
        if (c.flags & CHANGED == 0) return (deposited, 0);
        uint256 cell = _cell(p, seat, asset);
        deposited += toppedUp[id][cell];
        taken = withdrawn[id][cell];
    }

    function _checkParameters(Parameters calldata p) private view {
        for (uint256 a = 1; a < p.seats.length; ++a) {
            for (uint256 b = 0; b < a; ++b) if (p.seats[a].signer == p.seats[b].signer) revert SameSigner();
        }
        for (uint256 a = 1; a < p.assets.length; ++a) {
            for (uint256 b = 0; b < a; ++b) if (p.assets[a] == p.assets[b]) revert SameAsset();
        }
        if (p.codeHash != 0) revert ContractsUnsupported();
        if (p.challengePeriod < MIN_CHALLENGE_PERIOD) revert ShortChallengePeriod(MIN_CHALLENGE_PERIOD);
        if (p.challengePeriod > type(uint32).max) revert LongChallengePeriod();
        if (p.fundBy <= block.timestamp) revert FundingOver();
    }

    /// Seats that have nothing to bring, a bit each.
    function _unowing(Parameters calldata p) private pure returns (uint16 mask) {
        for (uint256 seat = 0; seat < p.seats.length; ++seat) {
            uint256 any;
            for (uint256 asset = 0; asset < p.assets.length; ++asset) any |= p.deposits[seat][asset];
            if (any == 0) mask |= uint16(1 << seat);
        }
    }

    function _openingRoot(Parameters calldata p) private view returns (bytes32) {
        bytes memory encoded =
            abi.encodePacked(uint8(p.seats.length), uint8(p.assets.length), uint64(0));
        for (uint256 seat = 0; seat < p.seats.length; ++seat) {
            for (uint256 asset = 0; asset < p.assets.length; ++asset) {
                uint256 amount = p.deposits[seat][asset];
                encoded = bytes.concat(encoded, abi.encode(amount, amount, 0, 0));
            }
        }
        return Hash.root(Hash.outcome(encoded), 0, 0, 0);
    }
}
