// mac_nest: the four nest levels of MACV, MACS, LNSTAT and LNAPPLY, one beat per cycle.
//
//   addr = base + i0 s0 + i1 s1 + i2 s2 + i3 s3 (modulo 2**20), pos = base + i2 s2 + i3 s3
//   cm = cm_base + i0 cm_s0 + i1 cm_s1 (modulo 256), wb = wb_base + running count of a result
//
// by adders only; i2 in the order of result_order. Two stages: counters, and one cycle later the
// addresses, which choose among sums that are ready. `load` (instruction stable in that cycle) in
// cycle t -> counters run in t + 1 .. t + n0 n1 n2 n3, beats are in t + 2 .., without gaps;
// `free` is high when the counters are idle or in their last cycle.
// stat (LNSTAT): first and last frame every level 1 iteration instead of the whole result.
// stencil: every level 1 iteration is a result.
// Names: *0, *1 (one0_q, last1_q, s0_q ..): level 0, 1; at_*_q: the address that the next step of a
// level takes (x, phase, row: levels 2 and 3 in the order of result_order); go_*_q: that step, one
// cycle after the counters.
// Reset: control only. Cost: 12 adders of 8 to 20 bits, about 400 flip-flops.
`default_nettype none
module mac_nest (
    input  wire        clk,
    input  wire        rst,
    input  wire        load,
    input  wire [11:0] n0,
    input  wire [7:0]  n1,
    input  wire [11:0] n2,
    input  wire [11:0] n3,
    input  wire [2:0]  xd,
    input  wire [19:0] base,
    input  wire [19:0] s0,
    input  wire [19:0] s1,
    input  wire [19:0] s2,
    input  wire [19:0] s3,
    input  wire [19:0] x2,          // xd s2
    input  wire [7:0]  cm_base,
    input  wire [7:0]  cm_s0,
    input  wire [7:0]  cm_s1,
    input  wire [15:0] wb_base,
    input  wire        stat,
    input  wire        stencil,
    output wire        free,
    output wire        valid,
    output wire [19:0] addr,
    output wire [19:0] pos,
    output wire [3:0]  tap,         // i0; of the second row of a stencil i0 + 3
    output wire [11:0] i2,
    output wire        phase,       // i1 modulo 2
    output wire        first,
    output wire        last,
    output wire        result,      // the last beat of a result
    output wire        stat_on,     // stat of the beat's instruction
    output wire [7:0]  cm,
    output wire [15:0] wb
);
    // ---- counters
    reg         busy_q;
    reg         stat_q;
    reg         stencil_q;
    reg  [11:0] n0_q;               // n0 - 1
    reg  [7:0]  n1_q;               // n1 - 1
    reg  [11:0] i0_q;
    reg  [7:0]  i1_q;
    // flags of the current beat, computed one cycle ahead
    reg         one0_q;             // n0 = 1
    reg         one1_q;
    reg         first0_q;
    reg         first1_q;
    reg         last0_q;
    reg         last1_q;

    wire [11:0] i0_next = i0_q + 12'd1;
    wire [7:0]  i1_next = i1_q + 8'd1;
    wire        step2 = busy_q && last0_q && last1_q;
    wire [11:0] order_i2;
    wire        step_x, step_phase, step_row, done;

    result_order u_order (
        .clk(clk), .load(load), .n2(n2), .n3(n3), .xd(xd), .step(step2),
        .i2(order_i2), .step_x(step_x), .step_phase(step_phase), .step_row(step_row), .done(done)
    );

    assign free = !busy_q || (step2 && done);

    always @(posedge clk) begin
        if (load) begin
            stat_q <= stat;
            stencil_q <= stencil;
            n0_q <= n0 - 12'd1;
            n1_q <= n1 - 8'd1;
            i0_q <= 12'd0;
            i1_q <= 8'd0;
            one0_q <= n0 == 12'd1;
            one1_q <= n1 == 8'd1;
            first0_q <= 1'b1;
            first1_q <= 1'b1;
            last0_q <= n0 == 12'd1;
            last1_q <= n1 == 8'd1;
        end else if (!last0_q) begin
            i0_q <= i0_next;
            first0_q <= 1'b0;
            last0_q <= i0_next == n0_q;
        end else begin
            i0_q <= 12'd0;
            first0_q <= 1'b1;
            last0_q <= one0_q;
            i1_q <= last1_q ? 8'd0 : i1_next;
            first1_q <= last1_q;
            last1_q <= last1_q ? one1_q : i1_next == n1_q;
        end
        busy_q <= load || !free;
        if (rst) busy_q <= 1'b0;
    end

    // ---- one cycle later: the beat's flags, and the step that leads to its addresses
    reg        valid_q;
    reg        first_q;
    reg        last_q;
    reg        result_q;
    reg        phase_q;
    reg        stat_b_q;
    reg [3:0]  tap_q;
    reg [11:0] i2_q;
    reg        go_load_q, go_1_q, go_x_q, go_phase_q, go_row_q;

    always @(posedge clk) begin
        valid_q <= busy_q;
        first_q <= first0_q && (stat_q || stencil_q || first1_q);
        last_q <= last0_q && (stat_q || stencil_q || last1_q);
        result_q <= last0_q && (stencil_q || last1_q);
        phase_q <= i1_q[0];
        stat_b_q <= stat_q;
        tap_q <= i0_q[3:0] + {2'b00, {2{stencil_q && i1_q[0]}}};
        i2_q <= order_i2;
        go_load_q <= load;
        go_1_q <= last0_q && !last1_q;
        go_x_q <= last0_q && last1_q && step_x;
        go_phase_q <= last0_q && last1_q && step_phase;
        go_row_q <= last0_q && last1_q && step_row;
        if (rst) valid_q <= 1'b0;
    end

    // ---- addresses. The instruction's fields are held from the cycle of `load` on.
    reg  [19:0] base_q, s0_q, s1_q, s2_q, s3_q, x2_q;
    reg  [7:0]  cm_base_q, cm_s0_q, cm_s1_q;
    reg  [15:0] wb_base_q;

    always @(posedge clk) begin
        if (load) begin
            base_q <= base;
            s0_q <= s0;
            s1_q <= s1;
            s2_q <= s2;
            s3_q <= s3;
            x2_q <= x2;
            cm_base_q <= cm_base;
            cm_s0_q <= cm_s0;
            cm_s1_q <= cm_s1;
            wb_base_q <= wb_base;
        end
    end

    reg  [19:0] addr_q;
    reg  [19:0] pos_q;
    reg  [19:0] at_1_q, at_x_q, at_phase_q, at_row_q;
    reg  [7:0]  cm_q, cm_1_q;
    reg  [15:0] wb_q;
    wire [19:0] start = go_load_q ? base_q : go_x_q ? at_x_q : go_phase_q ? at_phase_q : at_row_q;
    wire [19:0] row = go_load_q ? base_q : at_row_q;
    wire        go_result = go_load_q || go_x_q || go_phase_q || go_row_q;

    always @(posedge clk) begin
        if (go_result) begin
            addr_q <= start;
            pos_q <= start;
            at_1_q <= start + s1_q;
            at_x_q <= start + x2_q;
            cm_q <= cm_base_q;
            cm_1_q <= cm_base_q + cm_s1_q;
            wb_q <= wb_base_q;
        end else begin
            if (go_1_q) begin
                addr_q <= at_1_q;
                at_1_q <= at_1_q + s1_q;
                cm_q <= cm_1_q;
                cm_1_q <= cm_1_q + cm_s1_q;
            end else begin
                addr_q <= addr_q + s0_q;
                cm_q <= cm_q + cm_s0_q;
            end
            wb_q <= wb_q + 16'd1;
        end
        if (go_load_q || go_row_q) begin
            at_phase_q <= row + s2_q;
            at_row_q <= row + s3_q;
        end else if (go_phase_q) begin
            at_phase_q <= at_phase_q + s2_q;
        end
    end

    assign valid = valid_q;
    assign addr = addr_q;
    assign pos = pos_q;
    assign tap = tap_q;
    assign i2 = i2_q;
    assign phase = phase_q;
    assign first = first_q;
    assign last = last_q;
    assign result = result_q;
    assign stat_on = stat_b_q;
    assign cm = cm_q;
    assign wb = wb_q;
endmodule
`default_nettype wire
