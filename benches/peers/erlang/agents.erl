%% Erlang/OTP: one process for each agent, plain sends. Windows and credits are those of Caxton's own workloads
%% (benches/src/talk.rs), although mailboxes have no bound. The content is one binary of 256 bytes, which processes share
%% instead of copying it; that is in Erlang's favour. There are no supervisors, no registered names and no monitors, and
%% nothing checks deadlines, roles or late bids.
%%
%% erl -noshell -pa DIR -run agents main -extra WORKLOAD SIZE SECONDS
-module(agents).
-export([main/0]).

-define(WINDOW, 256).
-define(CREDIT, 128).
-define(CREDIT_OF_MANY, 8).
-define(ASKS, 16).
-define(WARM_UP_MS, 300).

main() ->
    spawn(fun() ->
        try
            [Workload, Size, Seconds] = init:get_plain_arguments(),
            Value = workload(Workload, list_to_integer(Size), seconds(Seconds)),
            io:format("{\"value\": ~.3f}~n", [float(Value)]),
            erlang:halt(0)
        catch
            Class:Why -> io:format(standard_error, "~p ~p~n", [Class, Why]), erlang:halt(1)
        end
    end).

seconds(Text) ->
    try list_to_float(Text) catch error:badarg -> float(list_to_integer(Text)) end.

workload("oneway", Size, Seconds) -> one_way(Size, Seconds);
workload("echo", Size, Seconds) -> echo(Size, Seconds);
workload("fan-in", Size, Seconds) -> fan_in(Size, Seconds);
workload("fan-out", Size, Seconds) -> fan_out(Size, Seconds);
workload("contract-net", Size, Seconds) -> contract_net(Size, Seconds);
workload("spawn", Size, Seconds) -> spawn_agents(Size, Seconds);
workload("memory", Size, _) -> memory(Size);
workload(Other, _, _) -> error({no_workload, Other}).

content() -> binary:copy(<<"x">>, 256).

%% Payload messages in a second from half of the agents to the other half.
one_way(Size, Seconds) ->
    Pairs = max(Size div 2, 1),
    Window = min(?WINDOW, max(65536 div Pairs, 64)),
    Credit = min(?CREDIT, Window div 2),
    Count = count(),
    Sources = [begin
        Sink = spawn(fun() -> sink_of_one(Credit, Credit, Count) end),
        spawn(fun() -> source([Sink], Window, Credit, content()) end)
    end || _ <- lists:seq(1, Pairs)],
    rate(Sources, Count, Seconds).

%% Payload messages in a second from so many agents to one.
fan_in(Size, Seconds) ->
    Count = count(),
    Sink = spawn(fun() -> sink_of_many(#{}, ?CREDIT_OF_MANY, Count) end),
    Start = fun() -> source([Sink], ?CREDIT_OF_MANY, ?CREDIT_OF_MANY, content()) end,
    rate([spawn(Start) || _ <- lists:seq(1, Size)], Count, Seconds).

%% Payload messages in a second from one agent to so many.
fan_out(Size, Seconds) ->
    Count = count(),
    Start = fun() -> sink_of_one(?CREDIT_OF_MANY, ?CREDIT_OF_MANY, Count) end,
    Sinks = [spawn(Start) || _ <- lists:seq(1, Size)],
    rate([spawn(fun() -> source(Sinks, ?CREDIT_OF_MANY, ?CREDIT_OF_MANY, content()) end)], Count, Seconds).

source(Sinks, Window, Credit, Content) ->
    receive
        go -> [send(Sink, Window, Content) || Sink <- Sinks];
        {credit, Sink} -> send(Sink, Credit, Content)
    end,
    source(Sinks, Window, Credit, Content).

send(_, 0, _) -> ok;
send(To, Times, Content) ->
    To ! {inform, self(), Content},
    send(To, Times - 1, Content).

%% What it took is counted with each credit.
sink_of_one(1, Credit, Count) ->
    receive {inform, From, _} ->
        counters:add(Count, 1, Credit),
        From ! {credit, self()}
    end,
    sink_of_one(Credit, Credit, Count);
sink_of_one(Left, Credit, Count) ->
    receive {inform, _, _} -> ok end,
    sink_of_one(Left - 1, Credit, Count).

sink_of_many(Taken, Credit, Count) ->
    receive {inform, From, _} ->
        case maps:get(From, Taken, 0) + 1 of
            Credit ->
                counters:add(Count, 1, Credit),
                From ! {credit, self()},
                sink_of_many(Taken#{From => 0}, Credit, Count);
            More -> sink_of_many(Taken#{From => More}, Credit, Count)
        end
    end.

%% Round trips in a second between half of the agents and the other half.
echo(Size, Seconds) ->
    Count = count(),
    Askers = [begin
        Echo = spawn(fun echo_agent/0),
        spawn(fun() -> asker(Echo, Count, content()) end)
    end || _ <- lists:seq(1, max(Size div 2, 1))],
    rate(Askers, Count, Seconds).

asker(Echo, Count, Content) ->
    receive
        go -> [Echo ! {request, self(), Content} || _ <- lists:seq(1, ?ASKS)];
        {inform, _, Answer} ->
            counters:add(Count, 1, 1),
            Echo ! {request, self(), Answer}
    end,
    asker(Echo, Count, Content).

echo_agent() ->
    receive {request, From, Content} -> From ! {inform, self(), Content} end,
    echo_agent().

%% Whole contract nets in a second among so many participants: call, bids, choice, rejections, result.
contract_net(Size, Seconds) ->
    Count = count(),
    Window = min(max(8192 div Size, 1), 32),
    Bidders = [spawn(fun() -> bidder(content()) end) || _ <- lists:seq(1, Size)],
    Initiators = [spawn(fun() -> initiator(Bidders, Size, Window, #{}, Count, content()) end) || _ <- [1, 2]],
    rate(Initiators, Count, Seconds).

initiator(Bidders, Size, Window, Nets, Count, Content) ->
    receive
        go ->
            Begun = maps:from_list([{Net, {0, none, []}} || Net <- lists:seq(1, Window)]),
            [call(Bidders, Net, Content) || Net <- maps:keys(Begun)],
            initiator(Bidders, Size, Window, Begun, Count, Content);
        {propose, Bidder, Net, _} ->
            Heard = bid(Bidder, maps:get(Net, Nets)),
            choose(Heard, Size, Net, Content),
            initiator(Bidders, Size, Window, Nets#{Net := Heard}, Count, Content);
        {inform, _, Net, _} ->
            counters:add(Count, 1, 1),
            call(Bidders, Net, Content),
            initiator(Bidders, Size, Window, Nets#{Net := {0, none, []}}, Count, Content)
    end.

call(Bidders, Net, Content) -> [Bidder ! {cfp, self(), Net, Content} || Bidder <- Bidders].

bid(Bidder, {0, none, []}) -> {1, Bidder, []};
bid(Bidder, {Bids, Winner, Losers}) -> {Bids + 1, Winner, [Bidder | Losers]}.

choose({Size, Winner, Losers}, Size, Net, Content) ->
    Winner ! {accept, self(), Net, Content},
    [Loser ! {reject, self(), Net, Content} || Loser <- Losers];
choose(_, _, _, _) -> ok.

bidder(Content) ->
    receive
        {cfp, From, Net, _} -> From ! {propose, self(), Net, Content};
        {accept, From, Net, _} -> From ! {inform, self(), Net, Content};
        {reject, _, _, _} -> ok
    end,
    bidder(Content).

%% Microseconds for each of so many agents from its start to its first answer, when all are started at once.
spawn_agents(Size, Seconds) ->
    ended(spawn_and_ask(min(Size, 1000))),
    rounds(Size, Seconds * 1.0e6, 0, 0).

rounds(Size, Span, Spent, Spawned) when Spent < Span ->
    Begun = erlang:monotonic_time(microsecond),
    Agents = spawn_and_ask(Size),
    Took = erlang:monotonic_time(microsecond) - Begun,
    ended(Agents),
    rounds(Size, Span, Spent + Took, Spawned + Size);
rounds(_, _, Spent, Spawned) -> Spent / Spawned.

spawn_and_ask(Size) ->
    Content = content(),
    Agents = [begin
        Agent = spawn(fun echo_agent/0),
        Agent ! {request, self(), Content},
        Agent
    end || _ <- lists:seq(1, Size)],
    [receive {inform, Agent, _} -> ok end || Agent <- Agents],
    Agents.

ended(Agents) ->
    Watched = [erlang:monitor(process, Agent) || Agent <- Agents],
    [exit(Agent, kill) || Agent <- Agents],
    [receive {'DOWN', Watch, process, _, _} -> ok end || Watch <- Watched].

%% Private bytes of each of so many agents that have answered once and wait.
memory(Size) ->
    erlang:garbage_collect(),
    Before = private_bytes(),
    Agents = spawn_and_ask(Size),
    timer:sleep(500),
    After = private_bytes(),
    Size = length(Agents),
    (After - Before) / Size.

private_bytes() ->
    {ok, Rollup} = file:read_file("/proc/self/smaps_rollup"),
    Lines = string:lexemes(binary_to_list(Rollup), "\n"),
    Kilobytes = [list_to_integer(lists:nth(2, string:lexemes(Line, " ")))
                 || Line <- Lines, lists:prefix("Private_", Line)],
    lists:sum(Kilobytes) * 1024.

count() -> counters:new(1, [write_concurrency]).

%% Begins, warms up, and counts for so long. The clock must not wait behind the agents.
rate(Begin, Count, Seconds) ->
    process_flag(priority, high),
    [Agent ! go || Agent <- Begin],
    timer:sleep(?WARM_UP_MS),
    Begun = erlang:monotonic_time(microsecond),
    Before = counters:get(Count, 1),
    timer:sleep(round(Seconds * 1000)),
    After = counters:get(Count, 1),
    Ended = erlang:monotonic_time(microsecond),
    (After - Before) * 1.0e6 / (Ended - Begun).
