// compute_issue: decides when the prepared instruction starts, executes SET, counts retirements.
//
// An instruction is decided in one cycle, from registers only, and starts in the next, by
// registers. It is decided in the first cycle in which all of these hold:
//   its waits were reached in an earlier cycle; no instruction starts in this cycle; the result
//   queue has room;
//   MAC and SET: the one before has issued (its last beat is this cycle or was earlier); so for
//   XNOR, whose partial instructions (psum_last = 0) MAC and SET run beside; ATT: at_ready;
//   drain: every earlier instruction is retired; swap: shadow_full;
//   MAC ops: no result of an XNOR or ATT instruction is outstanding;
//   XNOR after ATT, ATT after XNOR: no result of the other is outstanding;
//   SET table: every earlier instruction is retired, or only SETs came since the last SET table;
//   LNAPPLY, SET norm: no statistic in flight (LN_QUIET cycles after the last LNSTAT beat and
//   norm_busy low).
// "Issued": MAC mac_free; XNOR xf_ready; SET SET_CYCLES after its start (taps, table), else 1. So
// between two instructions of a source lies one cycle without a beat.
// A partial XNOR needs no lanes: it counts as issued and retired 1 cycle after its start.
// `take`, `push`: the instruction leaves the decoder, and goes to the result queue, in the cycle of
// its start; SET in its last cycle.
// Names: b_* the prepared instruction (compute_decode.v); xf_*, at_* xnor_front and attention;
// front_* XNOR and ATT instructions with results to come; t_* traces.
// Reset: control only. Cost: about 60 flip-flops, 60 LUTs.
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
    input  wire        b_set_taps,  // SET of ..
    input  wire        b_set_att,
    input  wire        b_set_norm,
    input  wire        b_set_table,
    input  wire        b_xnor,
    input  wire        b_att,
    input  wire        b_mac,
    input  wire        b_apply,
    input  wire        b_drain,     // not of a SET, nor is swap
    input  wire        b_swap,
    input  wire        b_psum_last,
    output wire        take,
    // sources: ready in this cycle for a start in the next
    input  wire        mac_free,
    input  wire        xf_ready,
    input  wire        at_ready,
    output wire        mac_start,
    output wire        xf_start,
    output wire        at_start,
    // SET
    output wire        set_taps,
    output wire        set_att,
    output wire        set_norm,
    output wire        set_table,
    // weights, norm
    input  wire        shadow_full,
    output wire        swap,
    input  wire        stat_beat,   // LNSTAT beat issues
    input  wire        norm_busy,
    // results
    input  wire        queue_full,
    output wire        push,
    input  wire        front_done,
    input  wire [2:0]  retired,     // how many
    output wire [15:0] retired_cmp,
    output wire        in_flight,
    output wire        t_start,
    output wire        t_issue_end
);
    localparam [3:0] TAPS_CYCLES = 4'd14;
    localparam [3:0] TABLE_CYCLES = 4'd9;

    reg [15:0] retired_q;
    reg [6:0]  flight_q;      // pushed and not retired
    reg        flying_q;      // flight_q != 0
    reg [4:0]  front_q;       // XNOR and ATT instructions with results outstanding
    reg        fronting_q;    // front_q != 0
    reg        front_att_q;   // .. of which the latest is ATT
    reg        open_q;        // a partial XNOR is issuing
    reg [4:0]  quiet_q;
    reg        noisy_q;       // quiet_q != 0
    reg        tables_q;      // nothing but SET since a SET table
    // the instruction that starts
    reg        start_q;
    reg        mac_q, xnor_q, att_q, partial_q, swap_q, set_q;
    reg        set_taps_q, set_att_q, set_norm_q, set_table_q;
    reg        take_q;
    // SET taps, SET table: cycles to its last one
    reg        setting_q;
    reg [3:0]  left_q;
    reg        last_q;        // the one before it

    wire idle = !start_q && !setting_q;
    wire source_ok = mac_free && at_ready && (xf_ready || (open_q && (b_mac || b_set)));
    wire order_ok = !fronting_q || b_set || (b_xnor && !front_att_q) || (b_att && front_att_q);
    wire norm_ok = !(b_apply || b_set_norm) || !(noisy_q || norm_busy);
    wire quiet_ok = !(b_drain || (b_set_table && !tables_q)) || !flying_q;
    wire swap_ok = !b_swap || shadow_full;
    wire go = b_valid && b_wait_ok && idle && source_ok && !queue_full && order_ok && norm_ok
        && quiet_ok && swap_ok;
    wire long_set = b_set_taps || b_set_table;
    wire has_front = att_q || (xnor_q && !partial_q);

    assign mac_start = mac_q;
    assign xf_start = xnor_q;
    assign at_start = att_q;
    assign set_taps = set_taps_q;
    assign set_att = set_att_q;
    assign set_norm = set_norm_q;
    assign set_table = set_table_q;
    assign swap = swap_q;
    // a register of its own for what frees the decoder
    wire take_d = (go && !long_set) || last_q;

    register_copy #(.WIDTH(1)) u_take (.clk(clk), .d(take_d), .q(take));

    assign push = take_q;
    assign t_start = start_q;
    assign retired_cmp = retired_q;
    assign in_flight = flying_q;

    wire [6:0] flight_next = flight_q + {6'd0, take_q} - {4'd0, retired};
    wire [4:0] front_more = front_q + {4'd0, has_front};
    wire [4:0] front_less = front_q - {4'd0, !has_front};

    always @(posedge clk) begin
        start_q <= go;
        mac_q <= go && b_mac;
        xnor_q <= go && b_xnor;
        att_q <= go && b_att;
        partial_q <= go && b_xnor && !b_psum_last;
        set_q <= go && b_set;
        swap_q <= go && b_swap;
        set_taps_q <= go && b_set_taps;
        set_att_q <= go && b_set_att;
        set_norm_q <= go && b_set_norm;
        set_table_q <= go && b_set_table;
        // its last cycle: that of the start, or when the count ends
        take_q <= take_d;
        setting_q <= (go && long_set) || (setting_q && !take_q);
        left_q <= setting_q ? left_q - 4'd1 : b_set_taps ? TAPS_CYCLES : TABLE_CYCLES;
        last_q <= setting_q && left_q == 4'd3;

        retired_q <= retired_q + {13'd0, retired};
        flight_q <= flight_next;
        flying_q <= take_q || flight_q != {4'd0, retired};
        front_q <= front_done ? front_less : front_more;  // the late one chooses
        fronting_q <= has_front || front_q[4:1] != 4'd0 || (front_q[0] && !front_done);
        if (has_front) front_att_q <= att_q;
        open_q <= xnor_q ? partial_q : open_q && !xf_ready;
        if (stat_beat) quiet_q <= LN_QUIET[4:0];
        else if (noisy_q) quiet_q <= quiet_q - 5'd1;
        noisy_q <= stat_beat || (noisy_q && quiet_q != 5'd1);
        if (start_q) tables_q <= set_q && (set_table_q || tables_q);
        if (rst) begin
            start_q <= 1'b0;
            mac_q <= 1'b0;
            xnor_q <= 1'b0;
            att_q <= 1'b0;
            swap_q <= 1'b0;
            set_taps_q <= 1'b0;
            set_att_q <= 1'b0;
            set_norm_q <= 1'b0;
            set_table_q <= 1'b0;
            take_q <= 1'b0;
            setting_q <= 1'b0;
            last_q <= 1'b0;
            retired_q <= 16'd0;
            flight_q <= 7'd0;
            flying_q <= 1'b0;
            front_q <= 5'd0;
            fronting_q <= 1'b0;
            front_att_q <= 1'b0;
            open_q <= 1'b0;
            quiet_q <= 5'd0;
            noisy_q <= 1'b0;
            tables_q <= 1'b0;
        end
    end

    // traces
    reg running_q;

    assign t_issue_end = running_q && !start_q && !setting_q && mac_free && at_ready
        && (xf_ready || open_q);

    always @(posedge clk) begin
        running_q <= start_q || setting_q || (running_q && !t_issue_end);
        if (rst) running_q <= 1'b0;
    end
endmodule
`default_nettype wire
