// result_nest: what belongs to each result - parameter slots, modes and stream addresses.
//
// Instructions wait in a queue (LUT RAM) from their issue until their first result reaches stage 0
// of the lanes; the oldest is "current" and enumerates its results (levels 2 and 3). `step`: a
// result is at stage 0 in this cycle and uses the r_* values of this cycle. Instructions without
// results (SET, partial XNOR) are only marked in order: `ended` counts those that may leave, each
// takes one cycle as current in which no result may come.
//
//   q = q_base + (i2 & q_mask), cm2 = (i2 & cm_mask) cm_s2 (cm_mask = 2**k - 1)
//   retire: the last result of an instruction (with step), or a marked one
//
// Names: p_* the instruction that is pushed, q_* the oldest in the queue, c_*_q the current one,
// r_* its current result (r_q: its slot of QM). v: i2 & cm_mask, cm: r_cm; *_phase_q: of the first
// result of the phase; *_x, *_1: behind a step by xd, by 1. go_*: which step is taken.
// `push` in cycle t -> the instruction can be current from t + 2. One result per cycle, also over
// instruction boundaries. Reset: control only.
// Cost: 12 adders of 14 or 16 bits, about 650 flip-flops, 440 x 8 bits of LUT RAM.
`default_nettype none
module result_nest #(
    parameter QUEUE = 8     // instructions between issue and first result, a power of two <= 16
) (
    input  wire        clk,
    input  wire        rst,
    input  wire        push,
    output wire        full,
    input  wire        p_none,      // no results
    input  wire        p_xnor,
    input  wire        p_att,
    input  wire        p_macs,
    input  wire        p_stat,
    input  wire        p_apply,
    input  wire [11:0] p_n2,
    input  wire [11:0] p_n3,
    input  wire [2:0]  p_xd,
    input  wire [7:0]  p_cm_base,
    input  wire [7:0]  p_cm_mask,
    input  wire [7:0]  p_cm_x,
    input  wire [7:0]  p_cm_x_wrap,
    input  wire [7:0]  p_cm_1,
    input  wire [7:0]  p_cm_1_wrap,
    input  wire [7:0]  p_om_base,
    input  wire [5:0]  p_q_base,
    input  wire [5:0]  p_q_mask,
    input  wire [57:0] p_pre,       // {x2, s3, s2, base, mem, en}
    input  wire [57:0] p_mid,
    input  wire [57:0] p_out,
    input  wire [57:0] p_dst,
    input  wire [64:0] p_bit,       // {x2, s3, s2, base, en}
    input  wire [20:0] p_modes,
    input  wire [4:0]  p_pool,      // {pool_pos, pool}
    input  wire        none_ended,  // one without results may leave
    input  wire        step,
    output wire        retire,
    output wire        front_done,  // last result of an XNOR or ATT instruction
    output wire        r_xnor,
    output wire        r_att,
    output wire        r_macs,
    output wire        r_apply,
    output wire [7:0]  r_cm,        // XNOR, ATT: the slot; MACV: without levels 0, 1 and cm_base
    output wire [7:0]  r_om_base,
    output wire [5:0]  r_q,
    output wire [20:0] r_modes,
    output wire [1:0]  r_pool,
    output wire        r_pre_en,
    output wire        r_mid_en,
    output wire        r_out_en,
    output wire [14:0] r_pre,       // {mem, addr}
    output wire [14:0] r_mid,
    output wire [14:0] r_out,
    output wire        r_dst_en,
    output wire [14:0] r_dst,
    output wire [7:0]  r_dst_mask,  // lane groups to write
    output wire        r_bit_en,
    output wire [15:0] r_bit
);
    localparam AW = $clog2(QUEUE);
    localparam ENTRY = 6 + 27 + 6*8 + 8 + 12 + 4*58 + 65 + 21 + 5;

    generate
        if (QUEUE < 4 || QUEUE > 16 || (1 << AW) != QUEUE) begin : gen_guard_queue
            ERROR_result_nest_QUEUE_must_be_4_8_or_16 u_stop ();
        end
    endgenerate

    // queue
    (* ram_style = "distributed" *)
    reg  [ENTRY-1:0] queue_q [0:QUEUE-1];
    reg  [AW-1:0]    write_q;
    reg  [AW-1:0]    read_q;
    reg  [AW:0]      count_q;
    reg              full_q;
    reg              current_q;
    reg  [5:0]       ended_q;
    wire             done;
    wire             mark;
    wire             pop = count_q != {AW+1{1'b0}} && (!current_q || retire);

    wire        q_none, q_xnor, q_att, q_macs, q_stat, q_apply;
    wire [11:0] q_n2, q_n3;
    wire [2:0]  q_xd;
    wire [7:0]  q_cm_base, q_cm_mask, q_cm_x, q_cm_x_wrap, q_cm_1, q_cm_1_wrap, q_om_base;
    wire [5:0]  q_q_base, q_q_mask;
    wire [57:0] q_pre, q_mid, q_out, q_dst;
    wire [64:0] q_bit;
    wire [20:0] q_modes;
    wire [4:0]  q_pool;

    assign {q_none, q_xnor, q_att, q_macs, q_stat, q_apply, q_n2, q_n3, q_xd, q_cm_base, q_cm_mask,
        q_cm_x, q_cm_x_wrap, q_cm_1, q_cm_1_wrap, q_om_base, q_q_base, q_q_mask,
        q_pre, q_mid, q_out, q_dst, q_bit, q_modes, q_pool} = queue_q[read_q];

    wire [AW:0] count_next = count_q + {{AW{1'b0}}, push} - {{AW{1'b0}}, pop};

    always @(posedge clk) begin
        if (push)
            queue_q[write_q] <= {
                p_none, p_xnor, p_att, p_macs, p_stat, p_apply, p_n2, p_n3, p_xd,
                p_cm_base, p_cm_mask, p_cm_x, p_cm_x_wrap, p_cm_1, p_cm_1_wrap, p_om_base,
                p_q_base, p_q_mask, p_pre, p_mid, p_out, p_dst, p_bit, p_modes, p_pool};
        write_q <= write_q + {{AW-1{1'b0}}, push};
        read_q <= read_q + {{AW-1{1'b0}}, pop};
        count_q <= count_next;
        full_q <= count_next == QUEUE[AW:0];
        current_q <= pop || (current_q && !retire);
        ended_q <= ended_q + {5'd0, none_ended} - {5'd0, mark};
        if (rst) begin
            write_q <= {AW{1'b0}};
            read_q <= {AW{1'b0}};
            count_q <= {AW+1{1'b0}};
            full_q <= 1'b0;
            current_q <= 1'b0;
            ended_q <= 6'd0;
        end
    end

    // the current instruction
    reg        c_none_q, c_xnor_q, c_att_q, c_macs_q, c_apply_q;
    reg [7:0]  c_cm_mask_q, c_cm_x_q, c_cm_x_wrap_q, c_cm_1_q, c_cm_1_wrap_q;
    reg [7:0]  c_cm_base_q, c_om_base_q;
    reg [5:0]  c_q_base_q, c_q_mask_q;
    reg [3:0]  c_mem_q;
    reg        c_pre_en_q, c_mid_en_q, c_out_en_q, c_dst_en_q, c_bit_en_q;
    reg [7:0]  c_dst_mask_q;
    reg [20:0] c_modes_q;
    reg [1:0]  c_pool_q;
    reg [2:0]  c_xm_q;              // xd & cm_mask
    reg [7:0]  groups;
    wire [7:0] q_first = q_cm_base & {8{q_xnor || q_att}};

    always @* begin
        case (q_pool[1:0])
            2'd0: groups = 8'hff;
            2'd1: groups = 8'h0f << {q_pool[2], 2'b00};
            2'd2: groups = 8'h03 << {q_pool[3:2], 1'b0};
            default: groups = 8'h01 << q_pool[4:2];
        endcase
    end

    always @(posedge clk) begin
        if (pop) begin
            c_none_q <= q_none;
            c_xnor_q <= q_xnor;
            c_att_q <= q_att;
            c_macs_q <= q_macs;
            c_apply_q <= q_apply;
            c_cm_base_q <= q_first;
            c_cm_mask_q <= q_cm_mask;
            c_cm_x_q <= q_cm_x;
            c_cm_x_wrap_q <= q_cm_x_wrap;
            c_cm_1_q <= q_cm_1;
            c_cm_1_wrap_q <= q_cm_1_wrap;
            c_xm_q <= q_xd & q_cm_mask[2:0];
            c_om_base_q <= q_om_base;
            c_q_base_q <= q_q_base;
            c_q_mask_q <= q_q_mask;
            c_mem_q <= {q_pre[1], q_mid[1], q_out[1], q_dst[1]};
            c_pre_en_q <= q_pre[0] && !q_stat;
            c_mid_en_q <= q_mid[0] && !q_stat;
            c_out_en_q <= q_out[0] && !q_stat;
            c_dst_en_q <= q_dst[0] && !q_stat;
            c_bit_en_q <= q_bit[0] && !q_stat;
            c_dst_mask_q <= groups;
            c_modes_q <= q_modes;
            c_pool_q <= q_pool[1:0];
        end
    end

    wire [11:0] i2;
    wire        step_x, step_phase, step_row;

    result_order u_order (
        .clk(clk),
        .load(pop),
        .n2(q_n2),
        .n3(q_n3),
        .xd(q_xd),
        .step(step),
        .i2(i2),
        .step_x(step_x),
        .step_phase(step_phase),
        .step_row(step_row),
        .done(done)
    );

    wire go_x = step && step_x;
    wire go_phase = step && step_phase;
    wire go_row = step && step_row;

    assign mark = current_q && c_none_q && ended_q != 6'd0;
    assign retire = (step && done) || mark;
    assign front_done = step && done && (c_xnor_q || c_att_q);
    assign full = full_q;

    // XNOR, ATT: cm_base + (i2 & cm_mask) cm_s2; MAC ops: without cm_base
    reg  [7:0] v_q, v_phase_q;      // i2 & cm_mask
    reg  [7:0] cm_q, cm_phase_q;
    wire [8:0] v_x = {1'b0, v_q} + {6'd0, c_xm_q};
    wire [8:0] v_1 = {1'b0, v_phase_q} + {8'd0, c_cm_mask_q[0]};
    wire       over_x = v_x > {1'b0, c_cm_mask_q};
    wire       over_1 = v_1 > {1'b0, c_cm_mask_q};
    wire [7:0] cm_x = cm_q + (over_x ? c_cm_x_wrap_q : c_cm_x_q);
    wire [7:0] cm_1 = cm_phase_q + (over_1 ? c_cm_1_wrap_q : c_cm_1_q);

    always @(posedge clk) begin
        if (pop || go_row) begin
            v_q <= 8'd0;
            v_phase_q <= 8'd0;
            cm_q <= pop ? q_first : c_cm_base_q;
            cm_phase_q <= pop ? q_first : c_cm_base_q;
        end else if (go_phase) begin
            v_q <= v_1[7:0] & c_cm_mask_q;
            v_phase_q <= v_1[7:0] & c_cm_mask_q;
            cm_q <= cm_1;
            cm_phase_q <= cm_1;
        end else if (go_x) begin
            v_q <= v_x[7:0] & c_cm_mask_q;
            cm_q <= cm_x;
        end
    end

    // streams
    stream_addr #(.WIDTH(14)) u_pre (
        .clk(clk), .load(pop), .base(q_pre[15:2]), .s2(q_pre[29:16]), .s3(q_pre[43:30]),
        .x2(q_pre[57:44]), .step_x(go_x), .step_phase(go_phase), .step_row(go_row),
        .addr(r_pre[13:0])
    );
    stream_addr #(.WIDTH(14)) u_mid (
        .clk(clk), .load(pop), .base(q_mid[15:2]), .s2(q_mid[29:16]), .s3(q_mid[43:30]),
        .x2(q_mid[57:44]), .step_x(go_x), .step_phase(go_phase), .step_row(go_row),
        .addr(r_mid[13:0])
    );
    stream_addr #(.WIDTH(14)) u_out (
        .clk(clk), .load(pop), .base(q_out[15:2]), .s2(q_out[29:16]), .s3(q_out[43:30]),
        .x2(q_out[57:44]), .step_x(go_x), .step_phase(go_phase), .step_row(go_row),
        .addr(r_out[13:0])
    );
    stream_addr #(.WIDTH(14)) u_dst (
        .clk(clk), .load(pop), .base(q_dst[15:2]), .s2(q_dst[29:16]), .s3(q_dst[43:30]),
        .x2(q_dst[57:44]), .step_x(go_x), .step_phase(go_phase), .step_row(go_row),
        .addr(r_dst[13:0])
    );
    stream_addr #(.WIDTH(16)) u_bit (
        .clk(clk), .load(pop), .base(q_bit[16:1]), .s2(q_bit[32:17]), .s3(q_bit[48:33]),
        .x2(q_bit[64:49]), .step_x(go_x), .step_phase(go_phase), .step_row(go_row),
        .addr(r_bit)
    );

    assign {r_pre[14], r_mid[14], r_out[14], r_dst[14]} = c_mem_q;
    assign r_xnor = c_xnor_q;
    assign r_att = c_att_q;
    assign r_macs = c_macs_q;
    assign r_apply = c_apply_q;
    assign r_cm = cm_q;
    assign r_om_base = c_om_base_q;
    assign r_q = c_q_base_q + (i2[5:0] & c_q_mask_q);
    assign r_modes = c_modes_q;
    assign r_pool = c_pool_q;
    assign r_pre_en = c_pre_en_q;
    assign r_mid_en = c_mid_en_q;
    assign r_out_en = c_out_en_q;
    assign r_dst_en = c_dst_en_q;
    assign r_dst_mask = c_dst_mask_q;
    assign r_bit_en = c_bit_en_q;

    wire unused = &{1'b0, i2[11:6]};
endmodule
`default_nettype wire
