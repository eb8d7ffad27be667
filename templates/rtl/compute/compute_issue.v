// compute_issue: decides when the prepared instruction starts, executes SET, counts retirements.
//
// An instruction starts in the first cycle in which all of these hold:
//   its waits were reached in an earlier cycle; the instruction before it has issued (its last
//   beat is this cycle or was earlier); the result queue has room;
//   drain: every earlier instruction is retired; swap: shadow_full;
//   XNOR, ATT: the XNOR instruction before it has issued;
//   MAC ops: no result of an XNOR or ATT instruction is outstanding;
//   XNOR after ATT, ATT after XNOR: no result of the other is outstanding;
//   SET table: every earlier instruction is retired, or only SETs came since the last SET table;
//   LNAPPLY, SET norm: no statistic in flight (LN_QUIET cycles after the last LNSTAT beat and
//   norm_busy low).
// "Issued": MAC n0 n1 n2 n3 cycles after start; XNOR xf_ready; ATT at_ready; SET taps 14, SET
// table 9, other SET 1 cycle after start. So the next start is in the last issue cycle: no bubble.
// A partial XNOR (psum_last = 0) needs no lanes: it counts as issued and retired 1 cycle after
// start, and MAC ops and SET run beside it.
// Names: b_* the prepared instruction (compute_decode.v); xf_*, at_* xnor_front and attention;
// front_* XNOR and ATT instructions with results to come; t_* traces.
// Reset: control only. Cost: about 60 flip-flops, 80 LUTs.
`default_nettype none
module compute_issue #(
    parameter LN_QUIET = 14
) (
    input  wire        clk,
    input  wire        rst,
    // prepared instruction
    input  wire        b_valid,
    input  wire        b_wait_ok,
    input  wire        b_set,
    input  wire        b_set_taps,  // of SET: which
    input  wire        b_set_att,
    input  wire        b_set_norm,
    input  wire        b_set_table,
    input  wire        b_xnor,
    input  wire        b_att,
    input  wire        b_mac,
    input  wire        b_apply,
    input  wire        b_drain,
    input  wire        b_swap,
    input  wire        b_psum_last,
    output wire        take,
    // sources
    input  wire        mac_free,
    input  wire        xf_ready,
    input  wire        at_ready,
    output wire        mac_start,
    output wire        xf_start,
    output wire        at_start,
    // SET
    input  wire        taps_busy,
    input  wire        taps_done,
    output wire        set_taps,
    output wire        set_att,
    output wire        set_norm,
    input  wire        table_busy,
    input  wire        table_done,
    output wire        set_table,
    // weights, norm
    input  wire        shadow_full,
    output wire        swap,
    input  wire        stat_beat,   // LNSTAT beat issues
    input  wire        norm_busy,
    // results
    input  wire        queue_full,
    output wire        push,
    output wire        none_ended,  // SET or partial XNOR
    input  wire        front_done,
    input  wire        retired,
    output wire [15:0] retired_cmp,
    output wire        in_flight,
    output wire        t_start,
    output wire        t_issue_end
);
    reg [15:0] retired_q;
    reg [6:0]  flight_q;      // pushed and not retired
    reg        flying_q;      // flight_q != 0
    reg [4:0]  front_q;       // XNOR and ATT instructions with results outstanding
    reg        fronting_q;    // front_q != 0
    reg        front_att_q;   // .. of which the latest is ATT
    reg        open_q;        // a partial XNOR is issuing
    reg [4:0]  quiet_q;
    reg        running_q;
    reg        tables_q;      // nothing but SET since a SET table

    wire beside = mac_free && at_ready && !taps_busy && !table_busy;
    wire free = beside && (xf_ready || (open_q && (b_mac || b_set)));
    wire partial = b_xnor && !b_psum_last;
    wire order_ok = !fronting_q || b_set || (b_xnor && !front_att_q) || (b_att && front_att_q);
    wire norm_ok = !(b_apply || (b_set && b_set_norm)) || (quiet_q == 5'd0 && !norm_busy);
    wire table_ok = !(b_set && b_set_table) || !flying_q || tables_q;
    wire flags_ok = b_set || ((!b_drain || !flying_q) && (!b_swap || shadow_full));
    wire go = b_valid && b_wait_ok && free && !queue_full && order_ok && norm_ok
        && table_ok && flags_ok;
    wire start = go && !b_set;
    wire has_front = b_att || (b_xnor && b_psum_last);

    assign mac_start = start && b_mac;
    assign xf_start = start && b_xnor;
    assign at_start = start && b_att;
    assign set_taps = go && b_set && b_set_taps;
    assign set_att = go && b_set && b_set_att;
    assign set_norm = go && b_set && b_set_norm;
    assign set_table = go && b_set && b_set_table;
    assign swap = start && b_swap;
    assign none_ended = (go && b_set && !b_set_taps && !b_set_table) || taps_done || table_done
        || (start && partial);
    assign take = start || none_ended;
    assign push = take;
    assign t_start = go;
    assign t_issue_end = running_q && beside && (xf_ready || open_q);
    assign retired_cmp = retired_q;
    assign in_flight = flying_q;

    wire [6:0] flight_next = flight_q + {6'd0, push} - {6'd0, retired};
    wire [4:0] front_next = front_q + {4'd0, start && has_front} - {4'd0, front_done};

    always @(posedge clk) begin
        retired_q <= retired_q + {15'd0, retired};
        flight_q <= flight_next;
        flying_q <= flight_next != 7'd0;
        front_q <= front_next;
        fronting_q <= front_next != 5'd0;
        if (start && has_front) front_att_q <= b_att;
        open_q <= xf_start ? partial : open_q && !xf_ready;
        if (stat_beat) quiet_q <= LN_QUIET[4:0];
        else if (quiet_q != 5'd0) quiet_q <= quiet_q - 5'd1;
        if (go) tables_q <= b_set && (b_set_table || tables_q);
        running_q <= go || (running_q && !t_issue_end);
        if (rst) begin
            retired_q <= 16'd0;
            flight_q <= 7'd0;
            flying_q <= 1'b0;
            front_q <= 5'd0;
            fronting_q <= 1'b0;
            front_att_q <= 1'b0;
            open_q <= 1'b0;
            quiet_q <= 5'd0;
            running_q <= 1'b0;
            tables_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
