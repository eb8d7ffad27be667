// Counts the cycles behind the last `clear` in which `count_up` holds.
//
// Both inputs are registered first, so that nothing that reports an event feeds a carry chain: the
// count shows it two cycles later. Reset: none, `clear` comes with every start.
// Cost (Yosys): 8 CARRY4, 34 FF.
`default_nettype none
module run_counter (
    input  wire        clk,
    input  wire        clear,
    input  wire        count_up,
    output wire [31:0] count
);
    reg clear_q;
    reg up_q;
    reg [31:0] count_q;

    assign count = count_q;

    always @(posedge clk) begin
        clear_q <= clear;
        up_q <= count_up;
        count_q <= clear_q ? 32'd0 : count_q + {31'd0, up_q};
    end
endmodule
`default_nettype wire
