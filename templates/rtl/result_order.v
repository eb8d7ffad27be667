// result_order: counters of nest levels 2 and 3, i2 in the order 0, xd, 2 xd, .. ; 1, 1 + xd, ..
//
// `load` takes n2, n3 (>= 1) and xd (1..7) and starts at i2 = i3 = 0; `step` moves to the next
// result. Of step_x, step_phase, step_row, done exactly one is high: what the next step does
// (done: this is the last result). Latency 1 cycle, one step per cycle. Reset: none.
module result_order (
    input  wire        clk,
    input  wire        load,
    input  wire [11:0] n2,
    input  wire [11:0] n3,
    input  wire [2:0]  xd,
    input  wire        step,
    output wire [11:0] i2,
    output wire        step_x,
    output wire        step_phase,
    output wire        step_row,
    output wire        done
);
    reg [11:0] n2_q;
    reg [11:0] left_q;  // rows after this one
    reg [2:0]  xd_q;
    reg [11:0] i2_q;
    reg [2:0]  phase_q;

    wire [12:0] next_x = {1'b0, i2_q} + {10'd0, xd_q};
    wire [3:0]  next_phase = {1'b0, phase_q} + 4'd1;
    wire        x_end = next_x >= {1'b0, n2_q};
    wire        phase_end = next_phase >= {1'b0, xd_q} || {8'd0, next_phase} >= n2_q;

    assign step_x = !x_end;
    assign step_phase = x_end && !phase_end;
    assign step_row = x_end && phase_end && left_q != 12'd0;
    assign done = x_end && phase_end && left_q == 12'd0;
    assign i2 = i2_q;

    always @(posedge clk) begin
        if (load) begin
            n2_q <= n2;
            left_q <= n3 - 12'd1;
            xd_q <= xd;
            i2_q <= 12'd0;
            phase_q <= 3'd0;
        end else if (step) begin
            if (step_x) i2_q <= next_x[11:0];
            if (step_phase) begin
                i2_q <= {8'd0, next_phase};
                phase_q <= next_phase[2:0];
            end
            if (step_row) begin
                i2_q <= 12'd0;
                phase_q <= 3'd0;
                left_q <= left_q - 12'd1;
            end
        end
    end
endmodule
